"""Become another program, one that ends when its supervisor does, `kill -9` included.

Run by path, `python -I -S child.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT...]`, so that it starts in 25 ms and imports nothing
of the project: the code must stay readable for an interpreter without site-packages. UID and GID `-` keep the present user.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_CANNOT_START = 126


def become(parent: int, death_signal: int, uid: str, gid: str, program: list[str]) -> None:
    """Drop privileges, tie this process to its parent, and execute the program in its place."""
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    # After the change of user: the kernel clears the parent-death signal with it (prctl(2)). execve keeps it.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    # A parent that died before the line above left nobody to send the signal.
    if os.getppid() != parent:
        raise OSError("the supervisor is gone")
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    try:
        become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
    except OSError as fault:
        sys.stderr.write(f"cannot start {sys.argv[5]}: {fault}\n")
        sys.exit(_CANNOT_START)
