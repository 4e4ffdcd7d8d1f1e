"""How many different values a column holds, as a sketch that adds up.

What belongs here: the k smallest hashes of a column's values, joining them, and the number they stand for. What does not: how many
rows each value has (`levels.py`).

The k smallest hashes of a set depend on nothing but the set, so joining is exact: associative, commutative, the same as one
pass. Up to k different values the number is exact (a constant column shows as 1); beyond, it is (k - 1) over the k-th smallest
hash, with a standard error of about 1/sqrt(k - 2), here 13% (Bar-Yossef et al. 2002; Beyer et al. 2007, "On synopses for
distinct-value estimation"). No value can be read back from it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

KEPT = 64
_RANGE = 2.0**64


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """At most `KEPT` hashes, ascending."""

    hashes: Hashes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distinct) and np.array_equal(self.hashes, other.hashes)

    __hash__ = None  # type: ignore[assignment]  # holds an array

    @property
    def number(self) -> int:
        """Different values: exact below `KEPT`, else estimated."""
        if len(self.hashes) < KEPT:
            return len(self.hashes)
        return round((KEPT - 1) / (float(self.hashes[-1]) / _RANGE))

    def to_text(self) -> str:
        return base64.b64encode(self.hashes.astype("<u8").tobytes()).decode()

    @staticmethod
    def from_text(text: str) -> Distinct:
        return Distinct(np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64))


NONE = Distinct(np.empty(0, np.uint64))


def of_numbers(numbers: npt.NDArray[np.float64]) -> Distinct:
    """Of finite numbers; NaN is left out."""
    present = numbers[~np.isnan(numbers)] + 0.0  # -0.0 and 0.0 are one value
    return _smallest(_mixed(present.view(np.uint64)))


def of_texts(values: Iterable[str]) -> Distinct:
    """Of texts, each handed in once or more."""
    hashed = [int.from_bytes(blake2b(value.encode(), digest_size=8).digest(), "little") for value in values]
    return _smallest(np.array(hashed, np.uint64))


def join(parts: Iterable[Distinct]) -> Distinct:
    """The values of all parts together."""
    return _smallest(np.concatenate([NONE.hashes, *(part.hashes for part in parts)]))


def _smallest(hashes: Hashes) -> Distinct:
    """A full sort of a million hashes is not needed for the smallest of them, unless few values come over and over."""
    share = min(1.0, 4 * KEPT / max(len(hashes), 1))
    few = hashes[hashes <= np.uint64(share * (_RANGE - 2**11))] if share < 1 else hashes
    found = np.unique(few)
    return Distinct((found if len(found) >= KEPT or share == 1 else np.unique(hashes))[:KEPT])


def _mixed(bits: Hashes) -> Hashes:
    """splitmix64's finalizer (Steele et al. 2014): neighbouring numbers get unrelated hashes."""
    mixed = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
