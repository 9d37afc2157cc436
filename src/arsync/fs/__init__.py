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

from typing import TYPE_CHECKING

from arsync.fs.cpus import usable_cpus

if TYPE_CHECKING:
    from arsync.fs.loop import RingRunner

__all__ = ["open_ring", "usable_cpus"]


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
