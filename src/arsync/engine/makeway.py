"""What stands where an entry goes and is of another kind."""

from __future__ import annotations

import errno
import os
import stat

from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.engine.wire import CLEARED, STUCK
from arsync.events import KEPT, Kind
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.syscalls import AT_REMOVEDIR


async def make_way(context: Context, ops: FileOps, task: Task, index: int, existing: StatResult) -> bool:
    """Something of another kind stands where the entry goes; False where it has to stay.

    An empty directory is removed; one that is not, and may be deleted, is left to the parent, which sends the entry
    again. What is no directory is left until a rename replaces it.
    """
    if not stat.S_ISDIR(existing.st_mode):
        task.occupied.add(index)
        return True
    name = task.dst_names[index]
    try:
        if task.slice.flags & STUCK or (context.config.dry_run and not task.slice.flags & CLEARED):
            await _check_empty(ops, task.dst, name)
        elif not context.config.dry_run:
            await ops.unlinkat(task.dst, name, AT_REMOVEDIR)
    except OSError as error:
        full = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
        if full and context.may_clear and not task.slice.flags & (CLEARED | STUCK):
            task.blocked.append(index)
            return False
        if full:
            task.items.append((index, int(Kind.DIRECTORY), KEPT, b""))
        task.fail(index, "make way for", error)
        return False
    return True


async def _check_empty(ops: FileOps, dir_fd: int, name: bytes) -> None:
    """Raise what removing the directory would: ENOTEMPTY, or why it cannot be looked at."""
    fd = await ops.openat(dir_fd, name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if await ops.call(os.listdir, fd):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    finally:
        await ops.close(fd)
