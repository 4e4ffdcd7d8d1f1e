"""The proof that files are a whole, working model version; nothing may be registered without it.

What belongs here: what can be found out from the files and a runtime alone. What does not: storing them (`resources/registry.py`).
"""

import io
from collections.abc import Mapping
from typing import Any

from aios_core.errors import ModelError
from aios_core.scoring.engine import OpenSession
from aios_core.scoring.golden import GOLDEN_FILE, check
from aios_core.scoring.model import ScoringModel, read_manifest
from aios_core.scoring.session import Session

MAX_FILES = 100
MAX_BYTES = 2**31 - 1  # of a version; also the most that a protobuf message, and so a graph, can hold
MAX_JSON = 64 * 2**20
UNPACKED = 50  # times its own size: what a Parquet file of numbers and names never reaches
MAX_CELLS = 50_000_000  # runs of equal values take no room in a file, and all of it in memory


def prove(files: Mapping[str, bytes], open_session: OpenSession) -> dict[str, Any]:
    """The manifest, once everything holds: sizes, manifest, checksums, every graph opens, the golden rows come out as recorded.

    Raises ModelError that names the file and the way out. Nothing is written.
    """
    _sizes(files)
    manifest = read_manifest(files)
    if GOLDEN_FILE not in files:
        raise ModelError(
            f"the version has no {GOLDEN_FILE}, so nothing shows that it still scores as it was made to; "
            "add it with `aios_core.training.files.with_golden` when exporting"
        )
    for path, content in sorted(files.items()):
        _contents(path, content)
    opened: list[bytes] = []

    def recording(onnx: bytes) -> Session:
        opened.append(onnx)
        return open_session(onnx)

    model = ScoringModel.from_files(files, recording)
    for path in sorted(path for path in files if path.endswith(".onnx")):
        if files[path] not in opened:
            open_session(files[path])
    check(model, files[GOLDEN_FILE])
    return manifest


def _sizes(files: Mapping[str, bytes]) -> None:
    total = sum(map(len, files.values()))
    if len(files) > MAX_FILES or total > MAX_BYTES:
        raise ModelError(
            f"a version of {len(files)} files and {total:,} bytes is too large: at most {MAX_FILES} files and {MAX_BYTES:,} "
            "bytes; export a smaller model"
        )
    for path, content in files.items():
        if path.endswith(".json") and len(content) > MAX_JSON:
            raise ModelError(
                f"{path} has {len(content):,} bytes, {MAX_JSON:,} are allowed; export a smaller vocabulary"
            )


def _contents(path: str, content: bytes) -> None:
    """That a packed file does not unpack to much more than it is."""
    if path.endswith(".npy"):
        _array(path, content)
    if path.endswith(".parquet"):
        _table(path, content)


def _array(path: str, content: bytes) -> None:
    import numpy as np

    try:
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except ValueError as error:
        raise ModelError(f"{path} is no array file ({error}); export the version again") from error
    claimed = dtype.itemsize
    for length in shape:
        claimed *= int(length)
    if dtype.hasobject or claimed != len(content) - file.tell():
        raise ModelError(
            f"{path} says that it holds {dtype} of shape {shape}, {claimed:,} bytes, and has {len(content) - file.tell():,}; "
            "export the version again"
        )


def _table(path: str, content: bytes) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            meta = file.metadata
            unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
            cells = meta.num_rows * meta.num_columns
    except (pa.ArrowException, OSError) as error:
        raise ModelError(f"{path} can't be read as Parquet ({error}); export the version again") from error
    if unpacked > max(len(content) * UNPACKED, 2**20) or cells > MAX_CELLS:
        raise ModelError(
            f"{path} has {len(content):,} bytes and would unpack to {unpacked:,} in {cells:,} cells; export the version again"
        )
