"""Folders that a declaration names for a model: weights and graphs that were made elsewhere.

What belongs here: finding them, in an installed package or beside the declaration, and reading them. What does not: what is
in them (`aios_core/training/`).
"""

from importlib.util import find_spec
from pathlib import Path

from aios_core.errors import ConfigurationError
from resources.deployments import expand

PACKAGE = "package:"
TOKENIZER = "tokenizer.json"


def read_folder(named: str, *, beside: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative path. `package:NAME` is an installed package, else a path relative to `beside`.

    Raises ConfigurationError where there is no such folder or package.
    """
    text = expand(named)
    folder = _package(text.removeprefix(PACKAGE)) if text.startswith(PACKAGE) else (beside / text).resolve()
    if not folder.is_dir():
        raise ConfigurationError(f"model folder `{named}`: {folder} is no folder; write the path relative to {beside}")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _package(name: str) -> Path:
    """The one folder of an installed package that has a tokenizer; the package itself is not imported."""
    module = name.replace("-", "_")
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            f"model folder `{PACKAGE}{name}`: the package {name} is not installed; install the extra `aios[encoder]`, or name a folder"
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(path.parent for path in root.rglob(TOKENIZER))
    if len(found) != 1:
        told = ", ".join(str(folder.relative_to(root)) for folder in found) or "none"
        raise ConfigurationError(
            f"model folder `{PACKAGE}{name}`: the package must have one folder with a {TOKENIZER}, it has {told}; name a folder "
            "by its path instead"
        )
    return found[0]
