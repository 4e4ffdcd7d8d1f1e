"""Subjects and bodies on demand: written when first asked for, remembered while there is room.

What belongs here: keeping texts in bounded memory. What does not: writing them (`sandbox/world/writer.py`).
"""

from collections import OrderedDict

from sandbox.world.arrivals import Block
from sandbox.world.world import World
from sandbox.world.writer import Text

REMEMBERED_TICKETS = 250_000


class Texts:
    """The texts of the world's blocks, the least recently used ones forgotten first."""

    def __init__(self, world: World, *, remember: int = REMEMBERED_TICKETS) -> None:
        self._world = world
        self._remember = remember
        self._held = 0
        self._blocks: OrderedDict[Block, list[Text]] = OrderedDict()

    def of(self, block: Block, offset: int) -> Text:
        """Subject and body of the ticket at this place in the block."""
        texts = self._blocks.get(block)
        if texts is None:
            texts = self._world.texts(block, self._world.columns(block))
            self._blocks[block] = texts
            self._held += block.count
            while self._held > self._remember and len(self._blocks) > 1:
                forgotten, _ = self._blocks.popitem(last=False)
                self._held -= forgotten.count
        else:
            self._blocks.move_to_end(block)
        return texts[offset]
