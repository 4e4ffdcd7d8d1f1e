"""Which files a robot leaves are kept, and what each of them is."""

from pathlib import PurePath
from typing import Final

KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".xml": "text/plain; charset=utf-8",  # to be read, not to be run
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
}


def is_kept(name: str) -> bool:
    """Logs and pictures; not what a browser has left lying."""
    return PurePath(name).suffix in KINDS


def content_type(name: str) -> str:
    """What a browser is told that it is."""
    return KINDS.get(PurePath(name).suffix, "application/octet-stream")
