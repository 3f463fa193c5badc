"""Run as a script, with its keeper's process number and a command: waits until it is told that its record is on disk,
then becomes the command.

A run whose keeper was killed before it could say so has done nothing; one whose keeper is killed later is ended with
it where the kernel can do that (Linux), and otherwise by whoever finds it.
"""

import os
import signal
import sys


def end_with_parent(parent: int) -> None:
    """Be killed when the parent ends, where the kernel can do that; end at once where it has ended."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(0)


def main() -> None:
    """Wait for one byte on standard input; without it, end."""
    end_with_parent(int(sys.argv[1]))
    if not os.read(0, 1):
        sys.exit(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
    except OSError as error:
        sys.exit(f"{sys.argv[2]} cannot be run: {error}")


if __name__ == "__main__":
    main()
