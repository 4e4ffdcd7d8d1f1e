"""A vocabulary as the flat arrays that compiled code reads, and the memory that it writes.

What belongs here: building both. What does not: the loops over them (`kernels.py`).
"""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from aios_core.scoring import kernels
from aios_core.scoring.kernels import Lexicon, Memory
from aios_core.scoring.vocabulary import Vocabulary

TOKENS = 65_536  # remembered at once: about 13 MB, which a second-level cache still serves
GRAMS = 32 * TOKENS
BYTES = 16 * TOKENS


def build_lexicon(vocabulary: Vocabulary) -> Lexicon:
    """The vocabulary's terms in tables."""
    paths = [term.split(" ") for term in vocabulary.words]
    components = sorted({word for path in paths for word in path})
    word_starts, word_bytes = flat(components)
    gram_starts, gram_bytes = flat(vocabulary.chars)
    term_starts, term_bytes = flat(vocabulary.words)
    edge_keys, edge_nodes, node_term = _edges(paths, components)
    low, high = vocabulary.char_ngrams or (0, 0)
    return Lexicon(
        split=len(vocabulary.words),
        word_high=vocabulary.word_ngrams[1],
        char_low=low,
        char_high=high,
        idf=np.array(vocabulary.idf, np.float64),
        gram_slots=_table(gram_starts, gram_bytes),
        gram_starts=gram_starts,
        gram_bytes=gram_bytes,
        word_slots=_table(word_starts, word_bytes),
        word_starts=word_starts,
        word_bytes=word_bytes,
        edge_slots=_edge_table(edge_keys),
        edge_keys=edge_keys,
        edge_nodes=edge_nodes,
        node_term=node_term,
        term_starts=term_starts,
        term_bytes=term_bytes,
        inside=word_characters(),
    )


def new_memory(lexicon: Lexicon, *, tokens: int = TOKENS) -> Memory:
    """An empty memory; pages of it are taken as they fill."""
    size = lexicon.idf.size
    memory = Memory(
        used=np.zeros(4, np.int64),
        slots=np.empty(_power(2 * tokens), np.int32),
        hashes=np.empty(tokens, np.uint64),
        starts=np.empty(tokens + 1, np.int64),
        bytes=np.empty(BYTES * tokens // TOKENS, np.uint8),
        gram_starts=np.empty(tokens + 1, np.int64),
        grams=np.empty(GRAMS * tokens // TOKENS, np.int32),
        word_starts=np.empty(tokens + 1, np.int64),
        words=np.empty(2 * tokens, np.int32),
        name_starts=np.empty(tokens, np.int32),
        name_ends=np.empty(tokens, np.int32),
        name_hashes=np.empty(tokens, np.uint64),
        counts=np.zeros(size, np.int32),
        marks=np.zeros(size // 64 + 1, np.uint64),
    )
    kernels.forget(memory)
    return memory


@cache
def word_characters() -> npt.NDArray[np.bool_]:
    r"""Whether a code point is a `\w`: alphanumeric for `str`, or the underscore."""
    points: npt.NDArray[np.bool_] = np.strings.isalnum(np.arange(0x110000, dtype=np.uint32).view("<U1"))
    points[ord("_")] = True
    return points


def flat(strings: Iterable[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """(starts, bytes): strings as UTF-8, end to end."""
    encoded = [text.encode() for text in strings]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=starts[1:])
    return starts, np.array(np.frombuffer(b"".join(encoded), np.uint8))


def _edges(
    paths: Sequence[Sequence[str]], components: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Keys (node x width + component) with the nodes they lead to, and the term of each node, -1 for none; node 0 is the start."""
    number = {word: i for i, word in enumerate(components)}
    width, nodes, terms = len(components) + 1, dict[int, int](), [-1]
    for term, path in enumerate(paths):
        node = 0
        for word in path:
            key = node * width + number[word]
            if key not in nodes:
                nodes[key] = len(terms)
                terms.append(-1)
            node = nodes[key]
        terms[node] = term
    keys = np.fromiter(nodes.keys(), np.int64, len(nodes))
    return keys, np.fromiter(nodes.values(), np.int32, len(nodes)), np.array(terms, np.int32)


def _table(starts: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    slots = np.full(_power(2 * starts.size), -1, np.int32)
    kernels.build_table(starts, data, slots)
    return slots


def _edge_table(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    slots = np.full(_power(2 * keys.size + 2), -1, np.int32)
    kernels.build_edges(keys, slots)
    return slots


def _power(least: int) -> int:
    """The power of two that is at least this."""
    return 1 << max(least - 1, 1).bit_length()
