"""What a right answer is: expected scores by version and text, and the readers of the servers' formats.

What belongs here: judging one response. What does not: sockets and time (`load.py`), and where the expected scores come
from (`models.py`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

try:
    from orjson import loads
except ImportError:  # only slower
    from json import loads  # type: ignore[assignment]

TOLERANCE = 1e-5  # of a probability: float32 in a graph, six decimals in JSON
UNVERSIONED = 0

Verdict = Literal["right", "mixed", "wrong"]


@dataclass(frozen=True, slots=True)
class Score:
    """What one version says of one text."""

    label: str
    probabilities: tuple[float, ...]

    def equals(self, other: "Score") -> bool:
        if self.label != other.label or len(self.probabilities) != len(other.probabilities):
            return False
        pairs = zip(self.probabilities, other.probabilities, strict=True)
        return all(abs(a - b) <= TOLERANCE for a, b in pairs)  # NaN is not


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read: the version it names, and its score."""

    version: int
    score: Score


def read_inference_protocol(body: bytes) -> Answer:
    """Open Inference Protocol v2: outputs `probabilities` [1, classes] and `label` [1]. Raises ValueError, KeyError or TypeError."""
    content = loads(body)
    outputs = {output["name"]: output for output in content["outputs"]}
    probabilities, label = outputs["probabilities"], outputs["label"]
    numbers = _flat(probabilities["data"])
    if list(probabilities["shape"]) != [1, len(numbers)] or list(label["shape"]) not in ([1], [1, 1]):
        raise ValueError("the shapes are not those of one text")
    version = content.get("model_version")
    (text,) = _flat(label["data"])
    return Answer(int(version) if version else UNVERSIONED, Score(str(text), tuple(numbers)))


def read_bento(body: bytes) -> Answer:
    """BentoML's own JSON: a list with one object. Raises ValueError, KeyError or TypeError."""
    (content,) = loads(body)
    return Answer(UNVERSIONED, Score(content["label"], tuple(content["probabilities"])))


READERS: Mapping[str, Callable[[bytes], Answer]] = {"inference_protocol": read_inference_protocol, "bento": read_bento}


def ask_inference_protocol(text: str) -> bytes:
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}
    return json.dumps({"inputs": [tensor]}).encode()


def ask_bento(text: str) -> bytes:
    return json.dumps({"texts": [text]}).encode()


@dataclass(slots=True)
class Judge:
    """Judges every response of a run.

    A body that was judged right before for the same text and version is right again: comparing bytes is what keeps the judge
    from taking the cores that it measures. `expected` is version -> text -> score.
    """

    expected: Mapping[int, Sequence[Score]]
    reader: str
    _known: dict[tuple[int, int | None], dict[bytes, int]] = field(default_factory=dict)

    def judge(self, text: int, header: int | None, body: bytes) -> tuple[Verdict, int]:
        """The verdict on a response with this version in its header (None without one), and the version that it names."""
        known = self._known.setdefault((text, header), {})
        if (version := known.get(body)) is not None:
            return "right", version
        try:
            answer = READERS[self.reader](body)
        except (ValueError, KeyError, TypeError):
            return "wrong", UNVERSIONED
        verdict = self._verdict(text, header, answer)
        if verdict == "right" and len(known) < 8:  # bodies with an id of their own are never seen again
            known[body] = answer.version
        return verdict, answer.version

    def _verdict(self, text: int, header: int | None, answer: Answer) -> Verdict:
        if header is not None and header != answer.version:
            return "mixed"
        wanted = self.expected.get(answer.version)
        if wanted is not None and wanted[text].equals(answer.score):
            return "right"
        others = (scores for version, scores in self.expected.items() if version != answer.version)
        return "mixed" if any(scores[text].equals(answer.score) for scores in others) else "wrong"


def _flat(data: Any) -> list[Any]:
    return [item for part in data for item in part] if data and isinstance(data[0], list) else list(data)
