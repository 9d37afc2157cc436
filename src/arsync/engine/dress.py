"""The metadata of a file that was just written, set on its descriptor before it gets its name."""

from __future__ import annotations

import os

from arsync.engine.attributes import acl_and_xattr
from arsync.engine.context import Context
from arsync.engine.output import Output
from arsync.engine.task import Task
from arsync.events import ACL, XATTR
from arsync.fs.apply import set_basic
from arsync.fs.metadata import (
    NOTHING,
    AttributeSet,
    Change,
    before_overwriting,
    difference,
    without_set_id,
)
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import path_of


async def restrict(
    context: Context, ops: FileOps, task: Task, output: Output, st: StatResult, like: StatResult | None
) -> None:
    """Before a file is overwritten with what has the status ``st``: let in nobody who may not see the copy. What fails
    is tried again when the data is there. Raises OSError where the file cannot be looked at."""
    mode = context.preserve.mode_of(st, like, task.place.perms)
    change = before_overwriting(context.preserve, st, mode, await ops.fstat(output.fd))
    if change != NOTHING:
        await ops.call(set_basic, output.fd, change)


async def finish_metadata(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    src: int,
    output: Output,
    st: StatResult,
    existing: StatResult | None,
    like: StatResult | None,
) -> int:
    """Set everything on the open file; returns the flags of ACL and xattrs in which the old file differed."""
    preserve, place = context.preserve, task.place
    uid, gid = preserve.owner_of(st)
    mode = preserve.mode_of(st, like, task.place.perms)
    times = preserve.times_of(st)
    if output.mode == -1:
        if existing is not None and mode & 0o6000 and not preserve.perms:
            mode = without_set_id(mode, existing, uid, gid)
        # Writing to it may have taken set-id bits away, so it is looked at again.
        now = await ops.fstat(output.fd)
        if preserve.fake and existing is not None:
            now = existing
        change = difference(preserve, st, mode, now)
        change = Change(*change[:3], *times)
    else:
        if existing is not None and mode & 0o6000 and not preserve.perms:
            mode = without_set_id(mode, existing, *place.owner(uid, gid))
        uid = -1 if uid == place.uid else uid
        gid = -1 if gid == place.gid else gid
        if mode == output.mode and place.mode_kept and uid == -1 and gid == -1:
            mode = -1
        change = Change(uid, gid, mode, *times)
    attributes, flags = None, 0
    if context.attributes_wanted is not None:
        attributes, flags = await _attributes(context, ops, task, index, src, output, existing)
    await context.set_metadata(ops, task, index, output.fd, change, attributes)
    return flags


async def _attributes(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, existing: StatResult | None
) -> tuple[AttributeSet, int]:
    """The attributes to set on the new file, and how those of the old one differ from them."""
    new = await context.source_attributes(ops, task, src)
    attributes = AttributeSet(new, await context.read_attributes(ops, task, output.fd))
    if existing is None or output.mode == -1:
        return attributes, acl_and_xattr(attributes, ACL, XATTR)
    fd = await ops.openat(task.dst, task.dst_names[index], os.O_PATH | os.O_NOFOLLOW)
    try:
        old = await context.read_attributes(ops, task, path_of(fd))
    finally:
        await ops.close(fd)
    return attributes, acl_and_xattr(AttributeSet(new, old), ACL, XATTR)
