"""`python -m benchmarks`: what `make bench` runs."""

import signal
import sys

from benchmarks.command import main

if __name__ == "__main__":
    # ended like Ctrl-C, so that the step's process, the database and the folder go too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
