"""`python -m benchmarks.child MODULE FOLDER`: one step in a process of its own, its result left in the folder.

What belongs here: calling the step and writing down what it says, or what went wrong. What does not: the steps (`steps/`).
"""

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.measuring import peak_rss_mb
from benchmarks.workspace import Workspace


def main(module: str, folder: Path, result: Path) -> int:
    """Run one step; 0 where it ended well."""
    found: dict[str, Any]
    try:
        found = importlib.import_module(module).run(Workspace.load(folder))
        found.setdefault("peak_rss_mb", peak_rss_mb())
    except Exception as error:  # whatever a step meets is its result: the other steps go on
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"}
    result.write_text(json.dumps(found), encoding="utf-8")
    return 1 if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
