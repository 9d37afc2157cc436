"""How many descriptors a process may have, and what they are for."""

from __future__ import annotations

import os
import resource
import sys

#: Directories that are open at once at the most, where the process may have so many descriptors: enough for every
#: directory in flight; what is beyond is opened again when it is needed.
_OPEN_DIRECTORIES = 8192

#: Descriptors kept free for everything that is not a directory: standard streams, sockets, the file being copied.
_OTHER_FDS = 24


def keep_standard_streams() -> None:
    """Who started this process may have closed its standard streams: no file of the run may get their numbers, and what
    is said there is said to nobody."""
    while not all(map(_is_open, range(3))):
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def _is_open(fd: int) -> bool:
    try:
        os.get_inheritable(fd)  # not fstat(2), which fails too where a stream leads to a server that is gone
    except OSError:
        return False
    return True


def raise_limit() -> int:
    """Raise the soft limit of descriptors to the hard one; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
    return hard


def directory_budget() -> int:
    """How many directories the parent may keep open."""
    limit = raise_limit()
    if limit == resource.RLIM_INFINITY:
        return _OPEN_DIRECTORIES
    return max(4, min(_OPEN_DIRECTORIES, (limit - _OTHER_FDS) // 2))


def files_at_once() -> int:
    """How many files a worker may have in flight: three descriptors each, beside those of its directories."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(1, (limit // 2 - _OTHER_FDS) // 3)
