"""Memory that two processes see: a batch is written on one side and read on the other without passing through a pipe.

What belongs here: one area of such memory, and Arrow in and out of it. What does not: who writes when (`workers.py`).

It is a file without a name, so it is gone when the last process that has it open is, however that one ends. `/dev/shm` is not
used: containers give it 64 MB.
"""

import mmap
import os
import tempfile

import pyarrow as pa

SMALLEST = 1 << 20


class Area:
    """One side's view of an area. It grows as it must; the other side follows when it reads."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._view: mmap.mmap | None = None

    @staticmethod
    def make(name: str) -> "Area":
        """A new, empty area."""
        if hasattr(os, "memfd_create"):
            return Area(os.memfd_create(name))
        with tempfile.TemporaryFile() as file:
            return Area(os.dup(file.fileno()))

    def write(self, batch: pa.RecordBatch) -> int:
        """Put a batch where the last one was; returns its bytes."""
        measured = pa.MockOutputStream()
        _write(measured, batch)
        size = int(measured.size())
        _write(pa.FixedSizeBufferWriter(pa.py_buffer(self._room(size))), batch)
        return size

    def read(self, size: int, *, copied: bool) -> pa.RecordBatch:
        """The batch of so many bytes. Uncopied it is valid until the next one is written."""
        view = self._seen(size)
        content = bytes(memoryview(view)[:size]) if copied else pa.py_buffer(view)
        with pa.ipc.open_stream(content) as reader:
            return reader.read_next_batch()

    def close(self) -> None:
        self._view = None
        os.close(self.fd)

    def _room(self, size: int) -> mmap.mmap:
        if self._view is None or len(self._view) < size:
            room = max(SMALLEST, 1 << (size - 1).bit_length())
            if os.fstat(self.fd).st_size < room:
                os.ftruncate(self.fd, room)
            self._view = mmap.mmap(self.fd, room)
        return self._view

    def _seen(self, size: int) -> mmap.mmap:
        if self._view is None or len(self._view) < size:
            self._view = mmap.mmap(self.fd, os.fstat(self.fd).st_size)
        return self._view


def _write(sink: pa.NativeFile, batch: pa.RecordBatch) -> None:
    with sink, pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
