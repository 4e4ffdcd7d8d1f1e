"""The automations as their files say at this moment.

What belongs here: finding one by name, and reading it again when its files changed. What does not: reading a file
(`resources/declarations.py`).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aios_core.errors import DeclarationError
from gateway.refusals import Refused
from resources.declarations import Declared, find_declarations, load_declaration
from resources.policy import RegoPolicy

Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """One automation with its policy, which keeps what it was asked before."""

    declared: Declared
    policy: RegoPolicy
    stamp: Stamp


class Declarations:
    """By name. Looking one up costs two `stat` calls; a changed file is read again, so no restart is needed."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Known:
        """The automation. Raises Refused where there is none, or its files are broken."""
        with self._lock:
            known = self._known.get(name)
            if known is not None and _stamp(known.declared) == known.stamp:
                return known
            try:
                declared = self._read(name, known)
            except DeclarationError as error:
                raise Refused(503, error.code, f"the declaration of {name} can't be used: {error}") from error
            self._known[name] = Known(declared, RegoPolicy(declared.policy_text), _stamp(declared))
            return self._known[name]

    def _read(self, name: str, known: Known | None) -> Declared:
        if known is not None and known.declared.file.exists():
            declared = load_declaration(known.declared.file)
            if declared.automation.name == name:
                return declared
        self._known.pop(name, None)
        broken: list[DeclarationError] = []
        found = {d.automation.name: d for d in find_declarations(self._folders, errors=broken)}
        if name in found:
            return found[name]
        said = f"; {len(broken)} declarations are broken: {broken[0]}" if broken else ""
        raise Refused(
            404, "automation.unknown", f"there is no automation {name[:80]}; there are: {', '.join(found)}{said}"
        )


def _stamp(declared: Declared) -> Stamp:
    stamps = []
    for path in (declared.file, declared.folder / declared.automation.decisions.policy):
        try:
            found = path.stat()
        except OSError:
            stamps.append((0, 0))
        else:
            stamps.append((found.st_mtime_ns, found.st_size))
    return tuple(stamps)
