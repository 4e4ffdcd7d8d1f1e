"""A sandbox in a process of its own, as a user starts it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import PROJECT


@contextmanager
def sandbox_process(arguments: str) -> Iterator[str]:
    """Its URL, once it serves: `--port 0` and these arguments."""
    child = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "serve", "--port", "0", *arguments.split()],
        stdout=subprocess.PIPE, text=True, cwd=PROJECT,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())["url"]
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()
