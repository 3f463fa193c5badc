"""Run as a script: waits until it is told that its record is on disk, then becomes the command.

A run whose keeper was killed before it could say so has done nothing; one whose keeper is killed later is ended with
it where the kernel can do that (Linux), and otherwise by whoever finds it.
"""

import os
import signal
import sys


def _end_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main() -> None:
    """Wait for one byte on standard input; without it, end."""
    _end_with_parent()
    if not os.read(0, 1):
        sys.exit(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606
    except OSError as error:
        sys.exit(f"{sys.argv[1]} cannot be run: {error}")


if __name__ == "__main__":
    main()
