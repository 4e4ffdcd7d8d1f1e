"""The labelled examples that are nearest to a ticket, as the model itself sees nearness.

What belongs here: choosing which examples are kept, and finding the nearest. What does not: where examples are from and what of them may
be shown (`resources/explanations.py`).

Nearness is in the version's own terms: the cosine of two bags of terms for a linear model, of two embeddings for an encoder, and
Gower's similarity for customer facts (J. C. Gower (1971), "A general coefficient of similarity and some of its properties",
Biometrics 27): the mean over facts of 1 where categories are equal, and of one minus the difference as a share of the range.

Only keys and labels are kept with the numbers, never a text: what a ticket says is asked for when it is shown, so an erased one is gone
from here too.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from aios_core.errors import ModelError
from aios_core.features.build import PREFIX
from aios_core.features.encoding import CustomerEncoding
from aios_core.scoring.tabular import FactColumns
from aios_core.scoring.tokenizer import Tokenizer, as_texts
from aios_core.scoring.vocabulary import Vocabulary

MOST_EXAMPLES = 10_000
MOST_ENTRIES = 4_000_000  # of all bags together: 32 MB
ROWS = 512
K = 3
VECTORS_FILE, KEYS_FILE = "examples.npy", "examples.parquet"
KEY = ("source", "ticket_id", "ticket_version")

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A labelled ticket. `similarity` is 1 for one that the model can't tell from the ticket asked about."""

    source: str
    ticket_id: str
    ticket_version: str
    label: str
    similarity: float


class Space(Protocol):
    """Where examples lie."""

    rows: int

    def similarities(self, row: pa.RecordBatch) -> npt.NDArray[np.float64]:
        """Of a row of features to each example that is kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Labelled tickets in a space; `keys` has `source`, `ticket_id`, `ticket_version` and `label`, aligned with it."""

    keys: pa.Table
    space: Space
    measure: str

    def nearest(self, row: pa.RecordBatch, *, count: int = K) -> list[Neighbour]:
        """The nearest examples to a row of features, without other versions of the same ticket; none that has nothing in common."""
        likeness = self.space.similarities(row)
        own = (row.column("source")[0].as_py(), row.column("ticket_id")[0].as_py())
        found = list[Neighbour]()
        seen = {own}
        for place in np.argsort(-likeness, kind="stable"):
            if len(found) == count or likeness[place] <= 0:
                break
            example = self.keys.slice(int(place), 1).to_pylist()[0]
            key = (example["source"], example["ticket_id"])
            if key not in seen:
                seen.add(key)
                found.append(Neighbour(**example, similarity=round(min(float(likeness[place]), 1.0), 4)))
        return found


def chosen(labels: Sequence[str | None], *, most: int = MOST_EXAMPLES) -> Ints:
    """Which of the rows, oldest first, become examples: the newest of each label, as many of one as of another while there are any.

    In the rows' order. Rows without a label are none.
    """
    behind: dict[str, list[int]] = {}
    for place in range(len(labels) - 1, -1, -1):
        label = labels[place]
        if label is not None:
            behind.setdefault(label, []).append(place)
    turn = [(depth, place) for places in behind.values() for depth, place in enumerate(places)]
    return np.array(sorted(place for _, place in sorted(turn, key=lambda pair: (pair[0], -pair[1]))[:most]), np.int64)


class BagSpace:
    """Bags of terms, each of length 1; what they have in common with a bag is one sparse product."""

    def __init__(self, vocabulary: Vocabulary, texts: Sequence[str], *, most: int = MOST_ENTRIES) -> None:
        """Of the last texts whose bags have `most` entries together."""
        from scipy import sparse

        self._tokenizer = Tokenizer(vocabulary)
        parts, entries, first = list[Any](), 0, len(texts)
        while first > 0 and entries < most:
            start = max(0, first - ROWS)
            parts.append(self._bags(texts[start:first]))
            entries += parts[-1].nnz
            first = start
        stacked = sparse.vstack(parts[::-1], format="csr") if parts else sparse.csr_matrix((0, vocabulary.size))
        self._bag_rows = stacked
        self.rows = int(stacked.shape[0])

    def similarities(self, row: pa.RecordBatch) -> npt.NDArray[np.float64]:
        own = self._bags([row.column("text")[0].as_py() or ""])
        return np.asarray((self._bag_rows @ own.T).todense(), np.float64)[:, 0]

    def _bags(self, texts: Sequence[str]) -> Any:
        from scipy import sparse

        bags = self._tokenizer.bags(as_texts(texts))
        weights = bags.weights.astype(np.float32)
        lengths = np.sqrt(np.add.reduceat(np.append(weights * weights, 0), bags.start[:-1]) * (np.diff(bags.start) > 0))
        weights /= np.repeat(np.maximum(lengths, 1e-12), np.diff(bags.start)).astype(np.float32)
        shape = (len(texts), self._tokenizer.vocabulary.size)
        return sparse.csr_matrix((weights, bags.ids, bags.start), shape=shape)


class Embeds(Protocol):
    """What makes an embedding of a text."""

    def embed(self, texts: Sequence[str]) -> Floats: ...


class EmbeddingSpace:
    """Embeddings of length 1, in half precision as the version keeps them."""

    def __init__(self, encoder: Embeds, vectors: npt.NDArray[np.float16]) -> None:
        self._encoder, self._vectors = encoder, vectors
        self.rows = int(vectors.shape[0])

    def similarities(self, row: pa.RecordBatch) -> npt.NDArray[np.float64]:
        own = self._encoder.embed([row.column("text")[0].as_py() or ""])[0]
        found = np.empty(self.rows)
        for start in range(0, self.rows, ROWS):  # numpy multiplies no half precision, and a copy of all would double it
            found[start : start + ROWS] = self._vectors[start : start + ROWS].astype(np.float32) @ own
        return found


class FactSpace:
    """Customer facts by Gower's similarity; a fact that one of the two lacks counts as different, one that both lack not at all."""

    def __init__(self, encoding: CustomerEncoding, features: pa.Table) -> None:
        self._columns = FactColumns(encoding.facts)
        self._matrix = self._columns.matrix(features)
        self.rows = int(self._matrix.shape[0])
        self._numeric = np.array([fact.kind == "numeric" for fact in encoding.facts])
        known = np.where(np.isnan(self._matrix), 0, self._matrix)
        spread = known.max(axis=0) - known.min(axis=0) if self.rows else np.ones(self._numeric.size)
        self._range = np.where(spread > 0, spread, 1.0)

    def similarities(self, row: pa.RecordBatch) -> npt.NDArray[np.float64]:
        own = self._columns.matrix(row)[0]
        missing = np.isnan(self._matrix) | np.isnan(own)
        neither = np.isnan(self._matrix) & np.isnan(own)
        with np.errstate(invalid="ignore"):
            close = np.clip(1.0 - np.abs(self._matrix - own) / self._range, 0.0, 1.0)
            equal = np.where(self._numeric, close, self._matrix == own)
        alike = np.where(missing, 0.0, equal).sum(axis=1)
        result: npt.NDArray[np.float64] = alike / np.maximum((~neither).sum(axis=1), 1)
        return result


def by_terms(vocabulary: Vocabulary, snapshot: pa.Table) -> Examples:
    """Examples for a linear model, from its training set (features and `label`, oldest first)."""
    rows = snapshot.take(pa.array(chosen(snapshot.column("label").to_pylist())))
    space = BagSpace(vocabulary, [text or "" for text in rows.column("text").to_pylist()])
    keys = rows.select([*KEY, "label"]).slice(rows.num_rows - space.rows)
    return Examples(keys=keys, space=space, measure="cosine of the terms that the model reads")


def by_facts(encoding: CustomerEncoding, snapshot: pa.Table) -> Examples:
    """Examples for a model of customer facts, from its training set."""
    rows = snapshot.take(pa.array(chosen(snapshot.column("label").to_pylist())))
    space = FactSpace(encoding, rows)
    return Examples(keys=rows.select([*KEY, "label"]), space=space, measure="Gower's similarity of the customer facts")


def by_embeddings(encoder: Embeds, vectors: bytes, keys: bytes) -> Examples:
    """Examples for an encoder, from the files `example_files` made. Raises ModelError where they do not go together."""
    try:
        table = pq.read_table(io.BytesIO(keys))
        numbers = np.load(io.BytesIO(vectors), allow_pickle=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ModelError(f"{KEYS_FILE} or {VECTORS_FILE} can't be read ({error}); train the model again") from error
    if numbers.ndim != 2 or numbers.shape[0] != table.num_rows or table.column_names != [*KEY, "label"]:
        raise ModelError(
            f"{VECTORS_FILE} has shape {list(numbers.shape)} for the {table.num_rows} rows of {KEYS_FILE}; train the model again"
        )
    return Examples(keys=table, space=EmbeddingSpace(encoder, numbers), measure="cosine of the encoder's embeddings")


def example_files(features: pa.Table, labels: Sequence[str], embeddings: npt.NDArray[np.floating]) -> dict[str, bytes]:
    """What a version of an encoder keeps to find examples by: keys and labels, and embeddings in half precision.

    All arguments are aligned, oldest first. At most 10,000 rows: 7.7 MB with 384 dimensions.
    """
    rows = chosen(labels)
    taken = features.select(list(KEY)).take(pa.array(rows))
    keys = taken.append_column("label", pa.array([labels[i] for i in rows], pa.string())).combine_chunks()
    table, vectors = io.BytesIO(), io.BytesIO()
    pq.write_table(keys, table, compression="zstd")
    np.save(vectors, embeddings[rows].astype(np.float16), allow_pickle=False)
    return {KEYS_FILE: table.getvalue(), VECTORS_FILE: vectors.getvalue()}


def reads_facts(manifest: dict[str, Any]) -> bool:
    """Whether a version reads customer facts and no text."""
    return "text" not in manifest["inputs"] and any(name.startswith(PREFIX) for name in manifest["inputs"])
