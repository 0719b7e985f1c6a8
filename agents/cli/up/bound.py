"""Run a program that dies with its parent: ``python -I -S bound.py PARENT_PID PROGRAM [ARGUMENT…]``.

The kernel kills the program when the process that started it is gone, also when that was killed with -9 and could
tidy nothing up. Linux only; elsewhere the program just runs. It is a launcher of its own, and not a function between
fork and exec, because the supervisor may have threads at that moment.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then become the program."""
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be bound to
        sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])


main()
