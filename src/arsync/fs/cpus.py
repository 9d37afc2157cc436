"""Which CPUs may be used, also by a worker that has pinned itself to one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Asked when the package is imported, that is, before a worker is forked and pins itself.
_USABLE = frozenset(os.sched_getaffinity(0))


def usable_cpus() -> frozenset[int]:
    """Give the CPUs that this process, or the one it was forked from, was allowed when arsync.fs was imported.

    They stay the same when the process is pinned to some of them later.

    Examples:
        >>> import os
        >>> from arsync.fs import usable_cpus
        >>> os.sched_getaffinity(0) <= usable_cpus()
        True
    """
    return _USABLE


@contextmanager
def on_every_cpu() -> Iterator[None]:
    """Let the calling thread run on every usable CPU, and with it what it starts meanwhile.

    io-wq's threads are made in the submitting thread and never leave the CPUs that sched_setaffinity(2) has given to it
    (Linux 6.2; IORING_REGISTER_IOWQ_AFF only narrows that): pinned, a ring would compete with itself for one CPU.
    """
    pinned = os.sched_getaffinity(0)
    if pinned == _USABLE:
        yield
        return
    try:
        os.sched_setaffinity(0, _USABLE)
    except OSError:  # the cgroup's cpuset has changed since: stay where the kernel has put us
        yield
        return
    try:
        yield
    finally:
        os.sched_setaffinity(0, pinned)
