"""File operations of Linux for coroutines: on an io_uring ring where there can be one, else by system call.

>>> from arsync.fs.plain import PlainRunner
>>> runner, reason = open_ring(queue_depth=64)
>>> runner = runner or PlainRunner()
>>> async def size(name: bytes) -> None:
...     print((await runner.ops.lstat(-100, name)).st_size > 0)
>>> runner.run(iter([size(b"/")]), limit=64)
True
>>> runner.close()
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arsync.fs.loop import RingRunner

# Asked before a worker pins itself to one CPU: threads that it starts, and the kernel's, may use all of these.
_USABLE_CPUS = frozenset(os.sched_getaffinity(0))


def usable_cpus() -> frozenset[int]:
    """The CPUs that this process, or the one it was forked from, was allowed when this package was imported."""
    return _USABLE_CPUS


def open_ring(queue_depth: int) -> tuple[RingRunner | None, str]:
    """A runner on a ring for ``queue_depth`` files in flight; or None and the reason why there cannot be one here.

    Neither ctypes nor liburing is imported before this is called.
    """
    from arsync.fs.binding import RefusedError
    from arsync.fs.loop import RingRunner

    try:
        return RingRunner(queue_depth), ""
    except RefusedError as error:
        return None, str(error)
