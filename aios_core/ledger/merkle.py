"""The Merkle tree of RFC 6962, section 2.1: one hash that stands for any number of items in their order.

What belongs here: hashing. What does not: the chain of entries (`chain.py`) and storage (`resources/ledger.py`).
"""

import hashlib
from collections.abc import Iterable

EMPTY = hashlib.sha256(b"").hexdigest()


def root(items: Iterable[bytes]) -> str:
    """The tree's root as 64 hex digits. Memory is 32 bytes a doubling: items may be a stream."""
    # subtree roots by height, largest first, as in a binary counter of the items seen
    stack: list[tuple[int, bytes]] = []
    for item in items:
        node = hashlib.sha256(b"\x00" + item).digest()
        height = 0
        while stack and stack[-1][0] == height:
            node = _joined(stack.pop()[1], node)
            height += 1
        stack.append((height, node))
    if not stack:
        return EMPTY
    result = stack.pop()[1]
    while stack:
        result = _joined(stack.pop()[1], result)
    return result.hex()


def _joined(left: bytes, right: bytes) -> bytes:
    # leaves and nodes are prefixed differently, so that no node can be passed off as an item
    return hashlib.sha256(b"\x01" + left + right).digest()
