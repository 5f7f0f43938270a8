"""Processes of Ray's that end with the one that started them, whatever they are at.

A worker of Ray 2.60 can wait for itself for ever while it ends: its last messages are put into a
queue whose lock the destructor of that very queue holds. One in a hundred was left behind so, with
half a gigabyte. A killed process loses nothing: what is committed is on disk.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Has the kernel send this process a signal when its parent ends. On Linux; nothing elsewhere.
    SystemExit where the parent has ended already.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:
        sys.exit("The process that started this one has ended.")
