"""Setting what differs on an entry whose contents are already right."""

from __future__ import annotations

import os
import stat

from arsync.engine.attributes import acl_and_xattr
from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.events import ACL, ATIME, TIME, XATTR
from arsync.fs.metadata import AttributeSet, Change, difference, without_set_id
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import path_of


async def update_metadata(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    st: StatResult,
    existing: StatResult,
    changes: int,
    times: bool = False,
) -> int:
    """Set what differs on an entry whose contents are already right; returns the itemized flags. ``times``: its times
    too, whatever ``changes`` says.

    It is held by O_PATH, so that what was compared is what is changed, and nothing is opened that acts when opened.
    """
    name = task.slice.names[index]
    held = os.O_PATH | os.O_NOFOLLOW
    fd = await ops.openat(task.dst, task.dst_names[index], held)
    try:
        now = await ops.fstat(fd)
        if (now.st_ino, now.st_dev) != (existing.st_ino, existing.st_dev):
            return 0  # replaced by somebody else since: the next run compares what stands there then
        attributes = None
        if context.attributes_wanted is not None:
            src = await ops.openat(task.src, name, task.source_flags(index, held))
            try:
                new = await context.source_attributes(ops, task, path_of(src))
            finally:
                await ops.close(src)
            attributes = AttributeSet(new, await context.read_attributes(ops, task, path_of(fd)))
            changes |= acl_and_xattr(attributes, ACL, XATTR)
        if (changes or times) and not context.config.dry_run:
            change = difference(context.preserve, st, _mode(context, task, st, existing), existing)
            if times or changes & (TIME | ATIME | XATTR):  # with attributes, times agree to the nanosecond
                change = Change(*change[:3], *context.preserve.times_of(st))
            await context.set_metadata(ops, task, index, path_of(fd), change, attributes)
    finally:
        await ops.close(fd)
    return changes


def _mode(context: Context, task: Task, st: StatResult, existing: StatResult) -> int:
    if stat.S_ISLNK(st.st_mode):
        return existing.st_mode & 0o7777  # Linux has no modes of symlinks
    preserve = context.preserve
    mode = preserve.mode_of(st, existing, task.place.perms)
    if mode & 0o6000 and not preserve.perms and stat.S_ISREG(st.st_mode):
        return without_set_id(mode, existing, *preserve.owner_of(st))
    return mode
