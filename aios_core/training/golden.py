"""Golden rows for a new version: like its training rows, and nobody's.

What belongs here: making at most 16 inputs. What does not: scoring them (`files.py`) and comparing with them
(`aios_core/scoring/golden.py`).

They stay in the version for as long as it exists, so no row may be a real ticket's: texts are put together from words that
several tickets share, and every other column is drawn apart from the rest.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aios_core.features.build import PREFIX
from aios_core.scoring.golden import MAX_ROWS
from aios_core.scoring.schema import KEYS

NEWEST = 5_000
SHARED = 5  # a word that so many texts have is nobody's secret
WORDS = 512
LONGEST = 48
STEP = 7  # without a common divisor with 16: walks through all of them
NAMELESS = ("customer_id",)
FACTS = ("priority", "channel", "language")


def golden_rows(features: pa.Table) -> pa.Table:
    """At most 16 rows with the schema of `features`: the first has no text, the second no facts."""
    newest = features.take(pc.sort_indices(features, sort_keys=[("created_at", "descending")]).slice(0, NEWEST))
    count = min(MAX_ROWS, newest.num_rows)
    columns = [_column(newest, name, place, count) for place, name in enumerate(features.column_names)]
    return pa.table(columns, schema=features.schema)


def _column(newest: pa.Table, name: str, place: int, count: int) -> pa.Array:
    kind = newest.schema.field(name).type
    if name in KEYS:
        own = {"source": "golden", "ticket_version": "1"}
        return pa.array([own.get(name, f"golden-{row}") for row in range(count)], kind)
    if name == "text":
        return pa.array(_texts([text or "" for text in newest.column("text").to_pylist()], count), kind)
    if name in NAMELESS:
        return pa.nulls(count, kind)
    if name in FACTS or name.startswith(PREFIX):
        return _drawn(newest.column(name), place, count)
    return pa.array([newest.column(name)[0].as_py()] * count, kind)


def _drawn(column: pa.ChunkedArray, place: int, count: int) -> pa.Array:
    """Evenly spaced ranks of one column, in an order of its own; nothing in the second row."""
    ranks = ((np.arange(count) + 0.5) * len(column) / count).astype(np.int64)
    order = (np.arange(count) * STEP + place) % count if count == MAX_ROWS else np.roll(np.arange(count), place)
    values = column.take(pc.sort_indices(column)).take(pa.array(ranks[order])).to_pylist()
    return pa.array([None if row == 1 else value for row, value in enumerate(values)], column.type)


def _texts(texts: Sequence[str], count: int) -> list[str]:
    """Texts as long as the real ones (up to 48 words), of words that at least five of them have; the first is empty."""
    tokens = [text.split() for text in texts]
    shared = Counter(word for words in tokens for word in set(words))
    known = [word for word, rows in sorted(shared.items(), key=lambda item: (-item[1], item[0])) if rows >= SHARED]
    known = known[:WORDS]
    if not known:
        return [""] * count
    lengths = sorted(len(words) for words in tokens)
    wanted = [min(lengths[row * len(lengths) // count], LONGEST) for row in range(count)]
    return [
        " ".join(known[(row * 31 + word * (row + 1)) % len(known)] for word in range(max(wanted[row], 1) if row else 0))
        for row in range(count)
    ]
