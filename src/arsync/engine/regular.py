"""Copying one regular file: open, data, metadata by descriptor, and last its name.

Whatever fails, and whenever the process is killed, the destination's name holds the old file or the whole new one.
"""

from __future__ import annotations

import os
import stat

from arsync.engine.compare import quick_check, regular_changes
from arsync.engine.context import NO_DESCRIPTORS, Context, acl_and_xattr
from arsync.engine.output import DestinationChangedError, Output, close_output, open_output, put_in_place
from arsync.engine.place import OPEN_SOURCE, Place
from arsync.engine.task import Task
from arsync.events import ACL, CHECKSUM, NEW, TIME, TIME_NOW, TRANSFER, XATTR, Kind
from arsync.fs.copy import ReadError, WriteError, same_content
from arsync.fs.metadata import AttributeSet, Change, difference
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import path_of


class SourceChangedError(Exception):
    """The source was written to while it was copied."""


async def update_regular(
    context: Context, ops: FileOps, task: Task, index: int, st: StatResult, existing: StatResult | None
) -> None:
    """Bring the destination up to date with a regular file whose status is ``st``.

    ``existing`` is what stands at the destination, None where nothing does (or where it was of another kind).
    """
    config = context.config
    if existing is None:
        await copy_regular(context, ops, task, index, None)
        return
    if config.ignore_existing or (config.update and existing.st_mtime_ns // 10**9 > st.st_mtime_ns // 10**9):
        return
    unchanged = quick_check(config, st, existing)
    if unchanged is None:
        unchanged = await _same(context, ops, task, index, st)
        if unchanged is None:
            return
    if not unchanged:
        await copy_regular(context, ops, task, index, existing, CHECKSUM if config.checksum else 0)
        return
    changes = regular_changes(config, context.preserve, st, existing)
    if changes or context.attributes_wanted is not None:
        changes = await update_metadata(context, ops, task, index, st, existing, changes)
    context.done(task, index, Kind.FILE, changes)


async def _same(context: Context, ops: FileOps, task: Task, index: int, st: StatResult) -> bool | None:
    """Compare contents (-c); None where the source could not be read, which was then recorded."""
    name = task.slice.names[index]
    try:
        src = await ops.openat(task.src, name, OPEN_SOURCE)
    except OSError as error:
        task.fail(index, "open", error)
        return None
    try:
        dst = await ops.openat(task.dst, task.dst_names[index], OPEN_SOURCE)
        try:
            return await same_content(ops, src, dst, st.st_size, context.config.buffer_size, context.stop)
        finally:
            await ops.close(dst)
    except OSError:
        return False  # what cannot be read is not the same: copying says why, or mends it
    finally:
        await ops.close(src)


async def update_metadata(
    context: Context, ops: FileOps, task: Task, index: int, st: StatResult, existing: StatResult, changes: int
) -> int:
    """Set what differs on an entry whose contents are already right; returns the itemized flags.

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
            src = await ops.openat(task.src, name, held)
            try:
                new = await context.read_attributes(ops, path_of(src))
            finally:
                await ops.close(src)
            attributes = AttributeSet(new, await context.read_attributes(ops, path_of(fd)))
            changes |= acl_and_xattr(attributes, ACL, XATTR)
        if changes and not context.config.dry_run:
            change = difference(context.preserve, st, _mode(context, st, existing), existing)
            if changes & TIME:
                change = change._replace(mtime_ns=st.st_mtime_ns)
            await context.set_metadata(ops, task, index, path_of(fd), change, attributes)
    finally:
        await ops.close(fd)
    return changes


def _mode(context: Context, st: StatResult, existing: StatResult) -> int:
    if stat.S_ISLNK(st.st_mode):
        return existing.st_mode & 0o7777  # Linux has no modes of symlinks
    return context.preserve.mode_of(st, existing, context.default_perms)


async def copy_regular(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    existing: StatResult | None,
    changes: int = 0,
    count: bool = False,
) -> None:
    """Copy one regular file over ``existing``, or to where nothing stands. Raises OSError of opening the source.

    ``count``: nobody has counted the source entry yet.
    """
    src = await ops.openat(task.src, task.slice.names[index], OPEN_SOURCE)
    try:
        st = await ops.fstat(src)
        if not stat.S_ISREG(st.st_mode):
            task.fail(index, "copy", None, "it is no longer a regular file")
            return
        if count:
            context.seen(Kind.FILE, st.st_size)
        if existing is None:
            changes |= TRANSFER | NEW
        else:
            changes |= TRANSFER | regular_changes(context.config, context.preserve, st, existing)
            if not context.config.times:
                changes |= TIME_NOW
        if existing is not None and (st.st_dev, st.st_ino) == (existing.st_dev, existing.st_ino):
            return  # the same file on both sides: writing to it would be the only way to lose it
        if not context.config.dry_run:
            attributes = await _replace(context, ops, task, index, src, st, existing)
            if attributes is None:
                return
            if existing is not None:
                changes |= attributes
    finally:
        await ops.close(src)
    context.transferred(st.st_size)
    context.done(task, index, Kind.FILE, changes)


async def _replace(
    context: Context, ops: FileOps, task: Task, index: int, src: int, st: StatResult, existing: StatResult | None
) -> int | None:
    """Write the new file and put it in place; returns the flags of ACL and xattrs that differed, None on failure."""
    step = "create"
    output: Output | None = None
    try:
        output = await open_output(context, ops, task, index, st, existing)
        step = "copy"
        st = await _copy_settled(context, ops, task, index, src, output, st)
        step = "set metadata of"
        flags = await _finish_metadata(context, ops, task, index, src, output, st, existing)
        step = "rename into place"
        await put_in_place(ops, task, task.dst_names[index], output)
        return flags
    except SourceChangedError:
        task.fail(index, "read", None, "the file shrank while it was copied")
    except DestinationChangedError:
        task.fail(index, "overwrite", None, "something else took its place since it was looked at")
    except ReadError as error:
        task.fail(index, "read", error)
    except WriteError as error:
        task.fail(index, "write", error)
        context.check_full(error)
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            raise
        task.fail(index, step, error)
    finally:
        if output is not None:
            await close_output(ops, task, output)
    return None


async def _copy_settled(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, st: StatResult
) -> StatResult:
    """Copy the data; where the source was written to meanwhile, once more. Returns the status of what was copied, and
    the output is as long as that."""
    for again in (True, False):
        done = await context.copier.copy(ops, src, output.fd, st, task.place.device)
        now = await ops.fstat(src)
        settled = done >= st.st_size and now.st_mtime_ns == st.st_mtime_ns and now.st_size == st.st_size
        if settled or not again:
            break
        st = now
        if output.mode != -1:
            await ops.call(os.ftruncate, output.fd, 0)
    if done < st.st_size:
        raise SourceChangedError
    if output.mode == -1:
        await ops.call(os.ftruncate, output.fd, st.st_size)
    if not settled:
        # It keeps the time it had before the second copy, so that the next run sees that it is not the last word.
        task.fail(index, "copy", None, "it was written to while it was copied, twice", warning=True)
    return st


async def _finish_metadata(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    src: int,
    output: Output,
    st: StatResult,
    existing: StatResult | None,
) -> int:
    """Set everything on the open file; returns the flags of ACL and xattrs in which the old file differed."""
    preserve, place = context.preserve, task.place
    uid, gid = preserve.owner_of(st)
    mode = preserve.mode_of(st, existing, context.default_perms)
    mtime_ns = st.st_mtime_ns if preserve.times else None
    if output.mode == -1:
        # Writing to it may have taken set-id bits away, so it is looked at again.
        change = difference(preserve, st, mode, await ops.fstat(output.fd))._replace(mtime_ns=mtime_ns)
    elif existing is not None and (uid == -1 or gid == -1):
        # What is not taken from the source stays as the replaced file had it, as far as it can be set.
        change = _keep_owner(context, existing, place, uid, gid, mode, mtime_ns)
    else:
        uid = -1 if uid == place.uid else uid
        gid = -1 if gid == place.gid else gid
        if mode == output.mode and place.mode_kept and uid == -1 and gid == -1:
            mode = -1
        change = Change(uid, gid, mode, mtime_ns)
    attributes, flags = None, 0
    if context.attributes_wanted is not None:
        attributes, flags = await _attributes(context, ops, task, index, src, output, existing)
    await context.set_metadata(ops, task, index, output.fd, change, attributes)
    return flags


def _keep_owner(
    context: Context, existing: StatResult, place: Place, uid: int, gid: int, mode: int, mtime_ns: int | None
) -> Change:
    """Without -o or -g, a replaced file's owner and group go on to the new one where this user can set them."""
    who = context.preserve.who
    if uid == -1 and who.uid == 0:
        uid = existing.st_uid
    if gid == -1 and (who.uid == 0 or existing.st_gid in who.groups):
        gid = existing.st_gid
    return Change(-1 if uid == place.uid else uid, -1 if gid == place.gid else gid, mode, mtime_ns)


async def _attributes(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, existing: StatResult | None
) -> tuple[AttributeSet, int]:
    """The attributes to set on the new file, and how those of the old one differ from them."""
    new = await context.read_attributes(ops, src)
    attributes = AttributeSet(new, await context.read_attributes(ops, output.fd))
    if existing is None or output.mode == -1:
        return attributes, acl_and_xattr(attributes, ACL, XATTR)
    fd = await ops.openat(task.dst, task.dst_names[index], os.O_PATH | os.O_NOFOLLOW)
    try:
        old = await context.read_attributes(ops, path_of(fd))
    finally:
        await ops.close(fd)
    return attributes, acl_and_xattr(AttributeSet(new, old), ACL, XATTR)
