"""A robot's keeper: `python -m resources.robots.process FOLDER ARGUMENTS` runs Robot Framework and ends all it has started, whatever happens.

What belongs here: that, and nothing else. A robot starts a browser, and a browser starts more; they outlive a process that is killed. So the keeper is told when
whoever asked for the robot dies, or has had enough of it. It then ends the robot's whole group and removes its folder.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1


def main(folder: str, arguments: list[str]) -> int:
    """Robot Framework's own exit code."""
    robot: list[subprocess.Popen[bytes]] = []

    def end(_number: int, _frame: FrameType | None) -> None:
        for process in robot:
            _kill_group(process)  # not waited for: whoever this interrupts is waiting for it already
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    parent = os.getppid()
    signal.signal(signal.SIGTERM, end)
    with contextlib.suppress(OSError, AttributeError):  # only Linux has this
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 1
    robot.append(subprocess.Popen([sys.executable, "-m", "robot", *arguments], start_new_session=True))
    try:
        return robot[0].wait()
    finally:
        _kill_group(robot[0])
        robot[0].wait()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """It, and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
