"""Names of installed packages that the project needs only for its development, one a line: `python dev_only.py pyproject.toml`.

What belongs here: walking the installed packages' own requirements, from the project's. What does not: taking them away (the
Dockerfile does). The lock pins development too, so that there is one lock; an image has no use for a test runner.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

KEPT = {"pip"}


def dev_only(project: Iterable[str], installed: Mapping[str, Iterable[str]]) -> list[str]:
    """Installed packages that neither the project's requirements nor theirs reach; `installed` is name -> requirements."""
    needed, waiting = set[tuple[str, str]](), [(Requirement(line), "") for line in project]
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonical(wanted.name)
        for asked in ("", *wanted.extras):
            if name in installed and (name, asked) not in needed:
                needed.add((name, asked))
                waiting += [(Requirement(line), asked) for line in installed[name]]
    return sorted(installed.keys() - {name for name, _ in needed} - KEPT)


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Print the names, given the path of `pyproject.toml`."""
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    installed = {canonical(one.metadata["Name"]): list(one.requires or ()) for one in distributions()}
    print("\n".join(dev_only(wanted, installed)))


if __name__ == "__main__":
    main()
