"""Other bytes than a vendor's own: mutations of real answers, for as long as one likes, by atheris where it is installed.

What belongs here: mutating, and going on. What does not: the parsers and their law (`parsers.py`).

atheris finds its inputs by which lines they reach; without it they are drawn by chance from a seed. Either way an input that
breaks the law is kept in a file, and named.
"""

import copy
import importlib.util
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.soak import parsers
from benchmarks.workspace import PROJECT

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, -(2**63) - 1, 2**70, 1e308, -0.0, "", " ", "\0", "\ufeff", "\u202e", "x" * 5_000),
    *("0", "-1", "1e999", "NaN", "2026-03-01", "2026-02-30T25:61:61Z", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00"),
    *([], {}, [[]], [None], {"": None}, {"id": {}}, {"value": [1, {"a": []}]}, 1773144000, 10**17, 253402300800, "2026-03-01T00:00:00.123456789Z"),
)  # fmt: skip
Say = Callable[[str], None]


def mutated(body: Any, order: random.Random, value: Any, *, times: int = 3) -> Any:
    """The same JSON with something replaced, removed, doubled or renamed, a few times; `value` is put in once."""
    changed = copy.deepcopy(body)
    for n in range(order.randrange(1, times + 1)):
        holder, key = _somewhere(changed, order)
        if holder is None:
            return value
        _change(holder, key, value if n == 0 else order.choice(ODD), order)
    return changed


def nested(body: Any, items: list[Any] | None, depth: int) -> bytes:
    """The answer with an item more whose field is a list of lists of lists: written by hand, as libraries refuse to."""
    deep = "[" * depth + "]" * depth
    if not items:
        return deep.encode()
    item = dict(items[0])
    item["deep"] = "@deep@"
    items.append(item)
    return json.dumps(body).replace('"@deep@"', deep).encode()


def _somewhere(body: Any, order: random.Random) -> tuple[Any, Any]:
    """A place in it, as what holds it and the key there; deep places as often as high ones."""
    places: list[tuple[Any, Any]] = []
    waiting = [body]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            places.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return order.choice(places) if places else (None, None)


def _change(holder: Any, key: Any, value: Any, order: random.Random) -> None:
    kind = order.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 1:
        holder[f"{key}_"] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(value)  # else one of them could come to hold itself


def mangled(body: bytes, order: random.Random) -> bytes:
    """Bytes that need be no JSON any more: cut, doubled, or with others put in."""
    at, to = sorted(order.randrange(len(body) + 1) for _ in range(2))
    put = order.choice((b"", b"\xff", b"\x00", b'"', b"\n", b"{", b"]", b",,", b"\xed\xa0\x80", body[at:to]))
    return body[:at] + put + body[to if order.random() < 0.5 else at :]


def drawn(seconds: float, *, seed: int, folder: Path) -> dict[str, Any]:
    """Every target in turn, with inputs of chance. What broke the law is kept in `folder`."""
    order, targets, seeds = random.Random(seed), parsers.targets(), parsers.seeds()
    tried, broken, end = 0, list[str](), time.monotonic() + seconds
    while time.monotonic() < end:
        for name, target in targets.items():
            body = seeds[name]
            if name.startswith("file.") or order.random() < 0.3:
                content = mangled(body, order)
            else:
                content = json.dumps(mutated(orjson.loads(body), order, order.choice(ODD), times=5)).encode()
            tried += 1
            try:
                target(content)
            except Exception as error:
                file = folder / f"{name}-{tried}"
                file.write_bytes(content)
                broken.append(f"{name}: {type(error).__name__}: {str(error)[:200]} ({file})")
    return {"tried": tried, "broken": len(broken), "details": broken[:40]}


def measure(*, minutes: float, seed: int, folder: Path, say: Say = lambda _: None) -> dict[str, Any]:
    """By chance, then by atheris for as long where it is installed; `broken` is 0 where all is well."""
    folder.mkdir(parents=True, exist_ok=True)
    guided = importlib.util.find_spec("atheris") is not None
    share = minutes * 60 / (2 if guided else 1)
    say(f"{len(parsers.targets())} parsers, {share:g} s of chance")
    found = {"minutes": minutes, "parsers": len(parsers.targets()), "atheris": guided}
    found |= drawn(share, seed=seed, folder=folder)
    for name in parsers.targets() if guided else ():
        say(f"atheris: {name}")
        found["broken"] += _guided(name, share / len(parsers.targets()), seed=seed, folder=folder)
    return found


def _guided(name: str, seconds: float, *, seed: int, folder: Path) -> int:
    """1 where atheris found an input that breaks the law, which it leaves in the folder."""
    corpus = folder / f"{name}-corpus"
    corpus.mkdir(exist_ok=True)
    (corpus / "seed").write_bytes(parsers.seeds()[name])
    command = [sys.executable, "-m", "benchmarks.soak.guided", name, str(corpus)]
    command += [f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}", f"-artifact_prefix={folder}/{name}-"]
    with (folder / f"{name}.log").open("wb") as log:
        ended = subprocess.run(command, cwd=PROJECT, stdout=log, stderr=log, check=False, timeout=seconds * 3 + 120)
    return int(ended.returncode != 0)
