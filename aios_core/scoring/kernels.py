"""The compiled part of cutting: bytes of text to weighted ids, a row at a time, without the interpreter.

What belongs here: loops over bytes and ids, compiled by numba, in plain types. What does not: building the tables that they read
(`lexicon.py`) and everything that is not a loop (`tokenizer.py`). Import it where it is used, never at start: numba takes
0.2 to 0.9 s.

All functions release the interpreter's lock. A `Lexicon` is read only and may be shared; a `Memory` belongs to one call at a time.
Text arrives lowered, as UTF-8. Tables are open-addressed with linear probing; entries are compared by their bytes, so a result never
depends on a hash. All of it is one file: numba's cache notices a change of a function's own file only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np
import numpy.typing as npt

Function = TypeVar("Function", bound=Callable[..., Any])
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Singles = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Scalar = Any  # an int, an unsigned one or a float: which of numba's, it finds out itself

FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
# a token that meets so many others is cut anew each time: texts made to collide cost what new ones cost
MAX_PROBES = 64
LONGEST_KEPT = 64  # bytes of a token that is remembered; longer ones hardly come twice
LONGEST_NAME = 80  # characters of a term that are shown

SPACE = np.uint8(32)


class Lexicon(NamedTuple):
    """A vocabulary as flat arrays. A table is `slots` (entry or -1, a power of two of them), and its entries' `starts` and `bytes`.

    Character n-grams are entries of `gram_*`, their id is `split` + entry. A component is a word of any word n-gram, an entry of
    `word_*`. Word n-grams are paths from node 0; `edge_*` maps (node, component) to the next node, `node_term` a node to its id or -1.
    """

    split: int
    word_high: int
    char_low: int  # 0: no character n-grams
    char_high: int
    idf: Floats
    gram_slots: Ints
    gram_starts: Longs
    gram_bytes: Bytes
    word_slots: Ints
    word_starts: Longs
    word_bytes: Bytes
    edge_slots: Ints
    edge_keys: Longs
    edge_nodes: Ints
    node_term: Ints
    term_starts: Longs
    term_bytes: Bytes
    inside: Flags


class Memory(NamedTuple):
    """Tokens that were cut before, and scratch. `used` is [tokens, bytes, grams, components] so far."""

    used: Longs
    slots: Ints
    hashes: Hashes
    starts: Longs
    bytes: Bytes
    gram_starts: Longs
    grams: Ints
    word_starts: Longs
    words: Ints
    name_starts: Ints
    name_ends: Ints
    name_hashes: Hashes
    counts: Ints
    marks: Hashes


def compiled(function: Function) -> Function:
    """Compiled at first use, kept on disk where the folder beside the code, the user's cache or NUMBA_CACHE_DIR can be written."""
    try:
        return _jit(cache=True)(function)
    except RuntimeError:  # nowhere to keep it: every process compiles for itself
        return _jit()(function)


def reordered(function: Function) -> Function:
    """As `compiled`, for sums whose order is the compiler's: several numbers at once, the same for a row in any batch."""
    try:
        return _jit(cache=True, fastmath={"reassoc"})(function)
    except RuntimeError:
        return _jit(fastmath={"reassoc"})(function)


def inlined(function: Function) -> Function:
    """Compiled into its callers: a call that is not costs 20 ns for each array it is handed."""
    return _jit(forceinline=True)(function)


def _jit(**options: Any) -> Callable[[Function], Function]:
    # no Python around it, no checks of bounds and divisors: the tables are built here, and texts are valid UTF-8
    chosen: Any = {"nogil": True, "error_model": "numpy", "boundscheck": False, **options}
    made: Callable[[Function], Function] = numba.njit(**chosen)
    return made


def _de_bruijn_places() -> npt.NDArray[np.int64]:
    places = np.zeros(64, np.int64)
    for bit in range(64):
        places[((1 << bit) * int(DE_BRUIJN) & (1 << 64) - 1) >> 58] = bit
    return places


PLACES = _de_bruijn_places()


@inlined
def lowest_bit(value: Scalar) -> Scalar:
    """The number of the lowest bit that is set."""
    isolated = value & (~value + np.uint64(1))
    return PLACES[(isolated * DE_BRUIJN) >> np.uint64(58)]


@inlined
def hash_bytes(data: Bytes, start: Scalar, end: Scalar) -> Scalar:
    """FNV-1a with its high half folded in, since tables look at low bits."""
    value = FNV_OFFSET
    for i in range(start, end):
        value = (value ^ np.uint64(data[i])) * FNV_PRIME
    return value ^ (value >> np.uint64(32))


@inlined
def same_bytes(left: Bytes, left_start: Scalar, right: Bytes, right_start: Scalar, length: Scalar) -> bool:
    for i in range(length):  # noqa: SIM110 (numba has no `all` over a generator)
        if left[left_start + i] != right[right_start + i]:
            return False
    return True


@compiled
def build_table(starts: Longs, data: Bytes, slots: Ints) -> None:
    """Enter every entry into empty `slots`."""
    mask = slots.size - 1
    for entry in range(starts.size - 1):
        at = np.int64(hash_bytes(data, starts[entry], starts[entry + 1]) & np.uint64(mask))
        while slots[at] >= 0:
            at = (at + 1) & mask
        slots[at] = entry


@inlined
def find(slots: Ints, starts: Longs, entries: Bytes, data: Bytes, start: Scalar, end: Scalar) -> Scalar:
    """The entry of these bytes, or -1."""
    mask = slots.size - 1
    length = end - start
    at = np.int64(hash_bytes(data, start, end) & np.uint64(mask))
    while True:
        entry = slots[at]
        if entry < 0:
            return np.int64(-1)
        first = starts[entry]
        if starts[entry + 1] - first == length and same_bytes(entries, first, data, start, length):
            return np.int64(entry)
        at = (at + 1) & mask


@inlined
def hash_edge(key: Scalar) -> Scalar:
    value = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return value ^ (value >> np.uint64(32))


@compiled
def build_edges(keys: Longs, slots: Ints) -> None:
    """Enter every (node, component) into empty `slots`."""
    mask = slots.size - 1
    for entry in range(keys.size):
        at = np.int64(hash_edge(keys[entry]) & np.uint64(mask))
        while slots[at] >= 0:
            at = (at + 1) & mask
        slots[at] = entry


@inlined
def next_node(slots: Ints, keys: Longs, nodes: Ints, width: Scalar, node: Scalar, component: Scalar) -> Scalar:
    """The node that a word leads to, or -1."""
    if node < 0 or component < 0:
        return np.int64(-1)
    key = np.int64(node) * width + component
    mask = slots.size - 1
    at = np.int64(hash_edge(key) & np.uint64(mask))
    while True:
        entry = slots[at]
        if entry < 0:
            return np.int64(-1)
        if keys[entry] == key:
            return np.int64(nodes[entry])
        at = (at + 1) & mask


@compiled
def lower(data: Bytes, starts: Longs, plain: Flags, lengths: Longs) -> None:
    """Lower A to Z in place; say of each row whether it is ASCII, and how many characters it has."""
    for row in range(starts.size - 1):
        seen = np.uint8(0)
        characters = 0
        for i in range(starts[row], starts[row + 1]):
            byte = data[i]
            seen |= byte
            characters += (byte & 0xC0) != 0x80
            data[i] = byte + np.uint8(32) if 65 <= byte <= 90 else byte
        plain[row] = seen < 128
        lengths[row] = characters


@inlined
def code_point(data: Bytes, at: Scalar) -> tuple[Scalar, Scalar]:
    """(code point, bytes) of the character at this place; the text is valid UTF-8."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(data[at + 1]) & 0x3F, 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | np.int64(data[at + 2]) & 0x3F, 3
    return (
        (first & 0x07) << 18
        | (np.int64(data[at + 1]) & 0x3F) << 12
        | (np.int64(data[at + 2]) & 0x3F) << 6
        | np.int64(data[at + 3]) & 0x3F,
        4,
    )


@inlined
def is_space(point: Scalar) -> Scalar:
    """What `str.split` splits at."""
    if point < 0x80:
        return 9 <= point <= 13 or 28 <= point <= 32
    return 0x2000 <= point <= 0x200A or point in (0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)


@inlined
def next_token(data: Bytes, at: Scalar, end: Scalar) -> tuple[Scalar, Scalar]:
    """(start, end) of the next white-space token; start == end where there is none."""
    while at < end:
        byte = data[at]
        if byte < 0x80:
            if byte > 32 or (byte < 28 and (byte > 13 or byte < 9)):
                break
            at += 1
        else:
            point, size = code_point(data, at)
            if not is_space(point):
                break
            at += size
    start = at
    while at < end:
        byte = data[at]
        if byte < 0x80:
            if byte <= 32 and (byte >= 28 or 9 <= byte <= 13):
                break
            at += 1
        else:
            point, size = code_point(data, at)
            if is_space(point):
                break
            at += size
    return start, at


@inlined
def next_word(inside: Flags, data: Bytes, at: Scalar, end: Scalar) -> tuple[Scalar, Scalar]:
    r"""(start, end) of the next `\b\w\w+\b` inside a token; start == end where there is none."""
    while at < end:
        point, size = code_point(data, at)
        if inside[point]:
            start, count = at, 0
            while at < end:
                point, size = code_point(data, at)
                if not inside[point]:
                    break
                at += size
                count += 1
            if count > 1:
                return start, at
        else:
            at += size
    return end, end


@compiled
def name_of(inside: Flags, data: Bytes, start: Scalar, end: Scalar) -> tuple[Scalar, Scalar]:
    r"""(start, end) of a token without the `\W` around it (of the token itself where nothing is left), cut to what is shown."""
    first, last, at = end, end, start
    while at < end:
        point, size = code_point(data, at)
        if inside[point]:
            if first == end:
                first = at
            last = at + size
        at += size
    if first == end:
        first, last = start, end
    at = first
    for _ in range(LONGEST_NAME):
        if at >= last:
            break
        at += code_point(data, at)[1]
    return first, min(at, last)


@compiled
def cut_grams(lexicon: Lexicon, data: Bytes, start: Scalar, end: Scalar, out: Ints, place: Scalar) -> Scalar:
    """Write the ids of a token's known character n-grams at out[place:], sizes ascending; returns the end, or -1 where it is full."""
    if lexicon.char_low == 0:
        return place
    padded = np.empty(end - start + 2, np.uint8)
    padded[0] = SPACE
    padded[1:-1] = data[start:end]
    padded[-1] = SPACE
    offsets = np.empty(padded.size + 1, np.int64)
    length = 0
    for i in range(padded.size):
        if padded[i] & 0xC0 != 0x80:
            offsets[length] = i
            length += 1
    offsets[length] = padded.size
    slots, starts, entries, split = lexicon.gram_slots, lexicon.gram_starts, lexicon.gram_bytes, lexicon.split
    for size in range(lexicon.char_low, lexicon.char_high + 1):
        for first in range(max(length - size + 1, 1)):
            last = min(first + size, length)
            entry = find(slots, starts, entries, padded, offsets[first], offsets[last])
            if entry >= 0:
                if place >= out.size:
                    return -1
                out[place] = split + entry
                place += 1
        if length <= size:  # longer sizes would give the same padded token again
            break
    return place


@compiled
def cut_words(lexicon: Lexicon, data: Bytes, start: Scalar, end: Scalar, out: Ints, place: Scalar) -> Scalar:
    """Write the components of a token's words at out[place:], -1 for a word of no term; returns the end, or -1 where it is full."""
    slots, starts, entries, inside = lexicon.word_slots, lexicon.word_starts, lexicon.word_bytes, lexicon.inside
    at = start
    while True:
        first, at = next_word(inside, data, at, end)
        if first == at:
            return place
        if place >= out.size:
            return -1
        out[place] = find(slots, starts, entries, data, first, at)
        place += 1


@compiled
def forget(memory: Memory) -> None:
    memory.used[:] = 0
    memory.slots[:] = -1


@inlined
def recall(
    slots: Ints, hashes: Hashes, starts: Longs, kept: Bytes, data: Bytes, start: Scalar, end: Scalar
) -> tuple[Scalar, Scalar, Scalar]:
    """(number, hash, slot) of a token in the memory; number -1: it is not there and would go into this slot, -2: it can't be kept."""
    length = end - start
    if length > LONGEST_KEPT:
        return np.int64(-2), np.uint64(0), np.int64(0)
    mask = slots.size - 1
    value = hash_bytes(data, start, end)
    at = np.int64(value & np.uint64(mask))
    for _ in range(MAX_PROBES):
        number = slots[at]
        if number < 0:
            return np.int64(-1), value, at
        first = starts[number]
        if (
            hashes[number] == value
            and starts[number + 1] - first == length
            and same_bytes(kept, first, data, start, length)
        ):
            return np.int64(number), value, at
        at = (at + 1) & mask
    return np.int64(-2), value, at


@compiled
def learn(
    lexicon: Lexicon, memory: Memory, data: Bytes, start: Scalar, end: Scalar, value: Scalar, at: Scalar
) -> Scalar:
    """Remember a token in this slot; -1 where the memory is full, which `has_room` prevents between rows."""
    number, size, grams, words = memory.used[0], memory.used[1], memory.used[2], memory.used[3]
    length = end - start
    if number + 1 >= memory.hashes.size or size + length > memory.bytes.size:
        return np.int64(-1)
    grams = cut_grams(lexicon, data, start, end, memory.grams, grams)
    words = cut_words(lexicon, data, start, end, memory.words, words)
    if grams < 0 or words < 0:
        return np.int64(-1)
    memory.bytes[size : size + length] = data[start:end]
    memory.hashes[number] = value
    memory.starts[number], memory.starts[number + 1] = size, size + length
    memory.gram_starts[number], memory.gram_starts[number + 1] = memory.used[2], grams
    memory.word_starts[number], memory.word_starts[number + 1] = memory.used[3], words
    first, last = name_of(lexicon.inside, data, start, end)
    memory.name_starts[number], memory.name_ends[number] = first - start, last - start
    memory.name_hashes[number] = hash_bytes(data, first, last)
    memory.slots[at] = number
    memory.used[0], memory.used[1], memory.used[2], memory.used[3] = number + 1, size + length, grams, words
    return number


@compiled
def keep_room(memory: Memory) -> None:
    """Forget everything where the memory is nearly full: what a row costs changes, and nothing else."""
    if (
        memory.used[0] > memory.hashes.size - memory.hashes.size // 8
        or memory.used[1] > memory.bytes.size - memory.bytes.size // 8
        or memory.used[2] > memory.grams.size - memory.grams.size // 8
        or memory.used[3] > memory.words.size - memory.words.size // 8
    ):
        forget(memory)


@compiled
def most_grams(lexicon: Lexicon, length: Scalar) -> Scalar:
    """How many character n-grams so many bytes can have at most."""
    return (length + 2) * (lexicon.char_high - lexicon.char_low + 1)


@inlined
def count_one(counts: Ints, marks: Hashes, identifier: Scalar) -> None:
    counts[identifier] += 1
    marks[identifier >> 6] |= np.uint64(1) << np.uint64(identifier & 63)


@compiled
def count_row(
    lexicon: Lexicon, memory: Memory, data: Bytes, start: Scalar, end: Scalar, words: Ints, nodes: Ints
) -> tuple[Scalar, Scalar, Scalar]:
    """Count the terms of one row: (occurrences, words, words of no term)."""
    # taken apart once a row: handing the whole tuple to a function costs 100 ns
    slots, hashes, starts, kept = memory.slots, memory.hashes, memory.starts, memory.bytes
    gram_starts, grams, word_starts, known = memory.gram_starts, memory.grams, memory.word_starts, memory.words
    counts, marks = memory.counts, memory.marks
    at, occurrences, count = start, 0, 0
    while True:
        first, at = next_token(data, at, end)
        if first == at:
            break
        number, value, slot = recall(slots, hashes, starts, kept, data, first, at)
        if number == -1:
            number = learn(lexicon, memory, data, first, at, value, slot)
        if number < 0:
            count = cut_words(lexicon, data, first, at, words, count)
            if lexicon.char_low:
                own = np.empty(most_grams(lexicon, at - first), np.int32)
                stop = cut_grams(lexicon, data, first, at, own, 0)
                for i in range(stop):
                    count_one(counts, marks, own[i])
                occurrences += stop
        else:
            for i in range(gram_starts[number], gram_starts[number + 1]):
                count_one(counts, marks, grams[i])
            occurrences += gram_starts[number + 1] - gram_starts[number]
            for i in range(word_starts[number], word_starts[number + 1]):
                words[count] = known[i]
                count += 1
    unseen = 0
    for i in range(count):
        unseen += words[i] < 0
        nodes[i] = 0
    edge_slots, edge_keys, edge_nodes = lexicon.edge_slots, lexicon.edge_keys, lexicon.edge_nodes
    node_term, width = lexicon.node_term, lexicon.word_starts.size
    for depth in range(1, lexicon.word_high + 1):
        for i in range(count - depth + 1):
            node = next_node(edge_slots, edge_keys, edge_nodes, width, nodes[i], words[i + depth - 1])
            nodes[i] = node
            if node >= 0 and node_term[node] >= 0:
                count_one(counts, marks, node_term[node])
                occurrences += 1
    return occurrences, count, unseen


@compiled
def take_row(
    idf: Floats, split: Scalar, counts: Ints, marks: Hashes, ids: Ints, weights: Floats, begin: Scalar, norms: Floats
) -> Scalar:
    """Write a row's terms from `begin` in ascending order with their weights, each block of length 1, and clear the scratch."""
    end = begin
    for word in range(marks.size):
        left = marks[word]
        if left == 0:
            continue
        marks[word] = 0
        while left != 0:
            ids[end] = word * 64 + lowest_bit(left)
            left &= left - np.uint64(1)
            end += 1
    middle, squares_words, squares_chars = begin, 0.0, 0.0
    for i in range(begin, end):
        identifier = ids[i]
        weight = counts[identifier] * idf[identifier]
        counts[identifier] = 0
        weights[i] = weight
        if identifier < split:
            squares_words += weight * weight
            middle = i + 1
        else:
            squares_chars += weight * weight
    norms[0], norms[1] = np.sqrt(squares_words), np.sqrt(squares_chars)
    for i in range(begin, middle):
        weights[i] /= norms[0]
    for i in range(middle, end):
        weights[i] /= norms[1]
    return end


@compiled
def bags(
    lexicon: Lexicon,
    memory: Memory,
    data: Bytes,
    starts: Longs,
    ends: Longs,
    row_starts: Longs,
    norms: Floats,
    words: Longs,
    unseen: Longs,
) -> tuple[Ints, Floats]:
    """The weighted terms of every row: (ids, weights), row i at row_starts[i]:row_starts[i + 1]."""
    longest = 0
    for row in range(starts.size):
        longest = max(longest, ends[row] - starts[row])
    found, nodes = np.empty(longest // 2 + 1, np.int32), np.empty(longest // 2 + 1, np.int32)
    room = 16
    for row in range(starts.size):
        room += 3 * (ends[row] - starts[row])  # what n-grams of two to five letters come to; any other model grows
    ids, weights = np.empty(room, np.int32), np.empty(room, np.float64)
    place = 0
    row_starts[0] = 0
    for row in range(starts.size):
        keep_room(memory)
        most, words[row], unseen[row] = count_row(lexicon, memory, data, starts[row], ends[row], found, nodes)
        if place + most > ids.size:
            size = max(2 * ids.size, place + most)
            more_ids, more_weights = np.empty(size, np.int32), np.empty(size, np.float64)
            more_ids[:place], more_weights[:place] = ids[:place], weights[:place]
            ids, weights = more_ids, more_weights
        place = take_row(lexicon.idf, lexicon.split, memory.counts, memory.marks, ids, weights, place, norms[row])
        row_starts[row + 1] = place
    return ids[:place], weights[:place]


@compiled
def rectangle(
    row_starts: Longs,
    ids: Ints,
    weights: Floats,
    fact_ids: Longs,
    fact_weights: Floats,
    rows: Longs,
    length: Scalar,
    pad: Scalar,
) -> tuple[Ints, Singles]:
    """Padded ids and weights of these rows: facts first, then terms, then `pad` with weight 0."""
    facts = fact_ids.shape[1]
    out_ids, out_weights = np.empty((rows.size, length), np.int32), np.empty((rows.size, length), np.float32)
    for i in range(rows.size):
        row = rows[i]
        for fact in range(facts):
            out_ids[i, fact], out_weights[i, fact] = fact_ids[row, fact], fact_weights[row, fact]
        place = facts
        for entry in range(row_starts[row], row_starts[row + 1]):
            out_ids[i, place], out_weights[i, place] = ids[entry], weights[entry]
            place += 1
        for rest in range(place, length):
            out_ids[i, rest], out_weights[i, rest] = pad, 0.0
    return out_ids, out_weights


@reordered
def class_signs(
    margins: npt.NDArray[Any],
    probabilities: npt.NDArray[Any],
    patterns: Floats,
    surest: Scalar,
    doubt: Floats,
    misfit: Floats,
) -> None:
    """How unsure each row is of its class, and how unlike that class's pattern its margins are (`wording.py`)."""
    classes = margins.shape[1]
    for row in range(margins.shape[0]):
        best, top = 0, probabilities[row, 0]
        for place in range(1, classes):
            value = probabilities[row, place]
            if not value <= top:  # what is no number is nobody's pattern
                best, top = place, value
                if value != value:  # noqa: PLR0124
                    break
        sure = np.float64(top)
        doubt[row] = np.log(max(1.0 - sure, surest) / sure)
        along, total, squares = 0.0, 0.0, 0.0
        for place in range(classes):
            margin = np.float64(margins[row, place])
            along += margin * patterns[best, place]
            total += margin
            squares += margin * margin
        length = np.sqrt(max(squares - total * total / classes, 0.0))
        misfit[row] = 1.0 - (along / length if length > 0.0 else 0.0)
        if not squares >= 0.0:
            misfit[row] = np.nan


class Keys(NamedTuple):
    """What contributions are summed by, within one row: names of tokens, runs of words, facts. Scratch of one call.

    `kind` is 0 for a name (bytes `first` to `last` of the text), 1 for a term of the vocabulary, 2 for a fact (its number in `first`).
    `order` is when it first contributed, -1: not yet.
    """

    kind: npt.NDArray[np.int8]
    first: Longs
    last: Longs
    sums: Floats
    order: Longs


class Row(NamedTuple):
    """A row's tokens (bytes, number in the memory or below 0, key) and words (component, token, node). Scratch of one call."""

    starts: Longs
    ends: Longs
    numbers: Longs
    keys: Longs
    words: Ints
    places: Longs
    nodes: Ints


@compiled
def read_row(
    lexicon: Lexicon, memory: Memory, data: Bytes, start: Scalar, end: Scalar, row: Row, keys: Keys, slots: Longs
) -> tuple[Scalar, Scalar, Scalar]:
    """Fill `row`, and `keys` with the names of its tokens: (tokens, words, names)."""
    hashes, kept, known_slots, known_starts = memory.hashes, memory.bytes, memory.slots, memory.starts
    word_starts, known, names, name_ends = memory.word_starts, memory.words, memory.name_starts, memory.name_ends
    name_hashes, inside = memory.name_hashes, lexicon.inside
    token_starts, token_ends, numbers, token_keys, words, places = (
        row.starts,
        row.ends,
        row.numbers,
        row.keys,
        row.words,
        row.places,
    )
    firsts, lasts = keys.first, keys.last
    size = 2
    while size < end - start + 2:
        size *= 2
    slots[:size] = -1
    mask = size - 1
    at, tokens, count, total = start, 0, 0, 0
    while True:
        first, at = next_token(data, at, end)
        if first == at:
            break
        number, value, slot = recall(known_slots, hashes, known_starts, kept, data, first, at)
        if number == -1:
            number = learn(lexicon, memory, data, first, at, value, slot)
        stop = count
        if number < 0:
            begin, last = name_of(inside, data, first, at)
            value = hash_bytes(data, begin, last)
            stop = cut_words(lexicon, data, first, at, words, count)
        else:
            begin, last = first + names[number], first + name_ends[number]
            value = name_hashes[number]
            for i in range(word_starts[number], word_starts[number + 1]):
                words[stop] = known[i]
                stop += 1
        for i in range(count, stop):
            places[i] = tokens
        count = stop
        place = np.int64(value & np.uint64(mask))
        while True:
            key = slots[place]
            if key < 0:
                slots[place], key = total, total
                firsts[total], lasts[total] = begin, last
                total += 1
                break
            if lasts[key] - firsts[key] == last - begin and same_bytes(data, firsts[key], data, begin, last - begin):
                break
            place = (place + 1) & mask
        token_starts[tokens], token_ends[tokens], numbers[tokens], token_keys[tokens] = first, at, number, key
        tokens += 1
    keys.kind[:total] = 0
    keys.sums[:total] = 0.0
    keys.order[:total] = -1
    return tokens, count, total


@compiled
def add_words(
    lexicon: Lexicon,
    counts: Ints,
    row: Row,
    count: Scalar,
    keys: Keys,
    total: Scalar,
    norm: Scalar,
    coefficients: Singles,
) -> tuple[Scalar, Scalar]:
    """What the row's word n-grams contribute, single words to their token's name: (keys so far, contributions)."""
    edge_slots, edge_keys, edge_nodes = lexicon.edge_slots, lexicon.edge_keys, lexicon.edge_nodes
    node_term, width, idf = lexicon.node_term, lexicon.word_starts.size, lexicon.idf
    words, places, nodes, token_keys = row.words, row.places, row.nodes, row.keys
    kinds, firsts, sums, orders = keys.kind, keys.first, keys.sums, keys.order
    order, named = 0, total
    nodes[:count] = 0
    for depth in range(1, lexicon.word_high + 1):
        for i in range(count - depth + 1):
            node = next_node(edge_slots, edge_keys, edge_nodes, width, nodes[i], words[i + depth - 1])
            nodes[i] = node
            if node < 0 or node_term[node] < 0:
                continue
            term = node_term[node]
            if depth == 1:
                key = token_keys[places[i]]
            else:
                key = np.int64(counts[term]) - 1
                if key < 0:
                    key, total = total, total + 1
                    counts[term] = total
                    kinds[key], firsts[key], sums[key], orders[key] = 1, term, 0.0, -1
            if orders[key] < 0:
                orders[key] = order
            sums[key] += idf[term] / norm * coefficients[term]
            order += 1
    for key in range(named, total):
        counts[firsts[key]] = 0
    return total, order


@compiled
def add_grams(
    lexicon: Lexicon,
    memory: Memory,
    data: Bytes,
    row: Row,
    tokens: Scalar,
    keys: Keys,
    order: Scalar,
    norm: Scalar,
    coefficients: Singles,
) -> Scalar:
    """What character n-grams contribute to the name of the token that they were cut from."""
    gram_starts, grams, idf = memory.gram_starts, memory.grams, lexicon.idf
    sums, orders, numbers, token_keys = keys.sums, keys.order, row.numbers, row.keys
    for token in range(tokens):
        key, number = token_keys[token], numbers[token]
        total = sums[key]
        stop = np.int64(0)
        if number >= 0:
            stop = gram_starts[number + 1] - gram_starts[number]
            for i in range(gram_starts[number], gram_starts[number + 1]):
                total += idf[grams[i]] / norm * coefficients[grams[i]]
        elif lexicon.char_low:
            own = np.empty(most_grams(lexicon, row.ends[token] - row.starts[token]), np.int32)
            stop = np.int64(cut_grams(lexicon, data, row.starts[token], row.ends[token], own, 0))
            for i in range(stop):
                total += idf[own[i]] / norm * coefficients[own[i]]
        sums[key] = total
        if stop > 0 and orders[key] < 0:
            orders[key] = order
        order += stop
    return order


@compiled
def contributions(
    lexicon: Lexicon,
    memory: Memory,
    data: Bytes,
    start: Scalar,
    end: Scalar,
    norms: Floats,
    coefficients: Singles,
    fact_ids: Longs,
    fact_weights: Floats,
    keys: Keys,
    slots: Longs,
    row: Row,
) -> Scalar:
    """Sum what each name, run of words and fact of one row adds to the logit of a class; returns the number of keys.

    `coefficients` are those of that class.

    Always in the same order: words, runs of two, of three …, character n-grams, facts; floats are added one after the other.
    """
    tokens, count, total = read_row(lexicon, memory, data, start, end, row, keys, slots)
    total, order = add_words(lexicon, memory.counts, row, count, keys, total, norms[0], coefficients)
    order = add_grams(lexicon, memory, data, row, tokens, keys, order, norms[1], coefficients)
    for fact in range(fact_ids.size):
        keys.kind[total], keys.first[total], keys.order[total] = 2, fact_ids[fact] - lexicon.idf.size, order + fact
        keys.sums[total] = fact_weights[fact] * coefficients[fact_ids[fact]]
        total += 1
    return total


@compiled
def strongest(sums: Floats, orders: Longs, total: Scalar, scale: Scalar, top: Longs) -> Scalar:
    """Fill `top` with the keys that speak for the class, strongest first, equal ones by when they came; returns how many."""
    kept = 0
    for key in range(total):
        value = np.rint(sums[key] * scale) / scale
        sums[key] = value
        if not value > 0.0:
            continue
        at = kept
        while at > 0 and (
            sums[top[at - 1]] < value or (sums[top[at - 1]] == value and orders[top[at - 1]] > orders[key])
        ):
            at -= 1
        if at >= top.size:
            continue
        kept = min(kept + 1, top.size)
        for i in range(kept - 1, at, -1):
            top[i] = top[i - 1]
        top[at] = key
    return kept


@compiled
def top_terms(
    lexicon: Lexicon,
    memory: Memory,
    data: Bytes,
    starts: Longs,
    ends: Longs,
    best: Longs,
    norms: Floats,
    coefficients: Singles,
    fact_ids: Longs,
    fact_weights: Floats,
    fact_starts: Longs,
    fact_bytes: Bytes,
    count: Scalar,
    scale: Scalar,
) -> tuple[Ints, Ints, Bytes, Floats]:
    """The terms that speak loudest for each row's class: (starts of lists, starts of names, names as UTF-8, weights).

    `coefficients` has a row a class: one row's look-ups then stay within 130 kB instead of a megabyte.
    """
    longest = 0
    for row in range(starts.size):
        longest = max(longest, ends[row] - starts[row])
    tokens, longest_words, size = longest // 2 + 1, longest // 2 + 1, 2
    while size < longest + 2:
        size *= 2
    most = tokens + longest_words * max(lexicon.word_high - 1, 0) + fact_ids.shape[1]
    keys = Keys(
        np.empty(most, np.int8),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most),
        np.empty(most, np.int64),
    )
    read = Row(
        np.empty(tokens, np.int64), np.empty(tokens, np.int64), np.empty(tokens, np.int64), np.empty(tokens, np.int64),
        np.empty(longest_words, np.int32), np.empty(longest_words, np.int64), np.empty(longest_words, np.int32),
    )  # fmt: skip
    slots, top = np.empty(size, np.int64), np.empty(count, np.int64)
    lists, names = np.empty(starts.size + 1, np.int32), np.empty(starts.size * count + 1, np.int32)
    values, text = np.empty(starts.size * count), np.empty(starts.size * count * 16, np.uint8)
    entry, place = 0, 0
    lists[0], names[0] = 0, 0
    for row in range(starts.size):
        keep_room(memory)
        total = contributions(
            lexicon, memory, data, starts[row], ends[row], norms[row], coefficients[best[row]], fact_ids[row],
            fact_weights[row], keys, slots, read,
        )  # fmt: skip
        for i in range(strongest(keys.sums, keys.order, total, scale, top)):
            key = top[i]
            kind, first, last = keys.kind[key], keys.first[key], keys.last[key]
            source = data
            if kind == 1:
                source, first, last = lexicon.term_bytes, lexicon.term_starts[first], lexicon.term_starts[first + 1]
            elif kind == 2:
                source, first, last = fact_bytes, fact_starts[first], fact_starts[first + 1]
            if place + last - first > text.size:
                more = np.empty(max(2 * text.size, place + last - first), np.uint8)
                more[:place] = text[:place]
                text = more
            text[place : place + last - first] = source[first:last]
            place += last - first
            values[entry] = keys.sums[key]
            entry += 1
            names[entry] = place
        lists[row + 1] = entry
    return lists, names[: entry + 1], text[:place], values[:entry]
