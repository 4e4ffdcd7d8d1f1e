"""A robot's own process: `python -m resources.robots.process ARGUMENTS`, Robot Framework that ends with whoever started it.

What belongs here: that, and nothing else.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Robot Framework's own exit code."""
    parent = os.getppid()
    # an orphan would go on working while another robot signs in to the same account; only Linux has this
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return 1
    from robot import run_cli

    code: int = run_cli(arguments, exit=False)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
