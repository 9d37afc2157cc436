"""Copying one regular file: open, data, metadata by descriptor, and last its name.

Whatever fails, and whenever the process is killed, the destination's name holds the old file or the whole new one.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from arsync.engine.compare import is_newer, quick_check, regular_changes
from arsync.engine.context import NO_DESCRIPTORS, Context, acl_and_xattr
from arsync.engine.output import DestinationChangedError, Output, open_output, put_in_place
from arsync.engine.place import Place
from arsync.engine.staging import UntrustedError
from arsync.engine.task import Task
from arsync.events import ACL, ALT, ATIME, CHECKSUM, LOCAL, NEW, NEWER, TIME, TIME_NOW, TRANSFER, XATTR, Kind
from arsync.fs.copy import ReadError, WriteError, same_content
from arsync.fs.metadata import AttributeSet, Change, difference
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import path_of


class SourceChangedError(Exception):
    """The source was written to while it was copied."""


class Basis(NamedTuple):
    """A file of an alternative tree that a new file is compared with, or whose data it gets."""

    st: StatResult  # its mode is the new file's without -p, where the source's data is copied
    changes: int  # the itemized flags of what differs from the source
    data: int = -1  # open for reading, where its data is what the source's is


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
    if config.ignore_existing or (config.update and is_newer(existing, st, config.modify_window)):
        if context.skips:
            task.items.append((index, int(Kind.FILE), NEWER, b""))
        return
    unchanged = quick_check(config, st, existing)
    if unchanged is None:
        unchanged = await same_contents(context, ops, task, index, st, task.dst)
        if unchanged is None:
            return
    if not unchanged:
        if config.append and existing.st_size >= st.st_size:
            return  # only what grows is completed; anything else is none of --append's business
        await copy_regular(context, ops, task, index, existing, CHECKSUM if config.checksum else 0)
        return
    changes = regular_changes(context.preserve, st, existing)
    # As rsync: where contents were compared, nanoseconds are set right too, without a word.
    exactly = config.checksum and config.times and st.st_mtime_ns != existing.st_mtime_ns
    if changes or exactly or context.attributes_wanted is not None:
        changes = await update_metadata(context, ops, task, index, st, existing, changes, exactly)
    context.done(task, index, Kind.FILE, changes)


async def same_contents(
    context: Context, ops: FileOps, task: Task, index: int, st: StatResult, directory: int
) -> bool | None:
    """Compare contents with a file in ``directory`` (-c); None where the source could not be read, which was
    then recorded."""
    name = task.slice.names[index]
    try:
        src = await context.open_source(ops, task.src, name, task.follows(index))
    except OSError as error:
        task.fail(index, "open", error)
        return None
    try:
        dst = await context.open_source(ops, directory, task.dst_names[index])
        try:
            return await same_content(ops, src, dst, st.st_size, context.config.buffer_size, context.stop)
        finally:
            await ops.close(dst)
    except OSError:
        return False  # what cannot be read is not the same: copying says why, or mends it
    finally:
        await ops.close(src)


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
                new = await context.read_attributes(ops, path_of(src))
            finally:
                await ops.close(src)
            attributes = AttributeSet(new, await context.read_attributes(ops, path_of(fd)))
            changes |= acl_and_xattr(attributes, ACL, XATTR)
        if (changes or times) and not context.config.dry_run:
            change = difference(context.preserve, st, _mode(context, st, existing), existing)
            if times or changes & (TIME | ATIME):
                change = Change(*change[:3], *context.preserve.times_of(st))
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
    basis: Basis | None = None,
) -> None:
    """Copy one regular file over ``existing``, or to where nothing stands. Raises OSError of opening the source.

    ``count``: nobody has counted the source entry yet.
    """
    src = await context.open_source(ops, task.src, task.slice.names[index], task.follows(index))
    try:
        st = await context.status(ops, src)
        if not stat.S_ISREG(st.st_mode):
            task.fail(index, "copy", None, "it is no longer a regular file")
            return
        if count:
            context.seen(Kind.FILE, st.st_size)
        if basis is not None:
            changes |= basis.changes | (0 if context.config.times else TIME_NOW)
            changes |= TRANSFER if basis.data < 0 else LOCAL if changes else LOCAL | ALT
        elif existing is None:
            changes |= TRANSFER | NEW
        else:
            changes |= TRANSFER | regular_changes(context.preserve, st, existing)
            if not context.config.times:
                changes |= TIME_NOW
        if existing is not None and (st.st_dev, st.st_ino) == (existing.st_dev, existing.st_ino):
            return  # the same file on both sides: writing to it would be the only way to lose it
        if context.removing:
            task.read[index] = st
        if context.config.dry_run:
            if context.placing is not None and index in task.occupied:
                context.placing.foresee_backup(task, index)
        else:
            attributes = await _replace(context, ops, task, index, src, st, existing, basis)
            if attributes is None:
                return
            if existing is not None:
                changes |= attributes
    finally:
        await ops.close(src)
    if basis is None or basis.data < 0:
        context.transferred(st.st_size)
    context.done(task, index, Kind.FILE, changes)


async def _replace(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    src: int,
    st: StatResult,
    existing: StatResult | None,
    basis: Basis | None,
) -> int | None:
    """Write the new file and put it in place; returns the flags of ACL and xattrs that differed, None on failure."""
    step = "create"
    output: Output | None = None
    complete = False
    like = existing if basis is None or basis.data >= 0 else basis.st
    try:
        output = await open_output(context, ops, task, index, st, existing, like)
        placing = context.placing
        if placing is not None:
            step = "back up" if context.config.backup else "prepare"
            await placing.begin(ops, task, index, src, output, st, existing)
        step = "copy"
        if basis is not None and basis.data >= 0:
            await _copy_settled(context, ops, task, index, basis.data, output, basis.st)
        else:
            st = await _copy_settled(context, ops, task, index, src, output, st)
        step = "set metadata of"
        flags = await _finish_metadata(context, ops, task, index, src, output, st, existing, like)
        step = "rename into place"
        if placing is None:
            await put_in_place(ops, task.dst, task.dst_names[index], output)
        else:
            await placing.end(
                ops,
                task,
                index,
                output,
                existing,
                lambda other: _finish_metadata(context, ops, task, index, src, other, st, existing, like),
            )
        complete = True
        return flags
    except SourceChangedError:
        task.fail(index, "read", None, "the file shrank while it was copied")
    except DestinationChangedError:
        task.fail(index, "overwrite", None, "something else took its place since it was looked at")
    except UntrustedError as error:
        task.fail(index, "put aside", None, str(error))
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
            try:
                if context.config.partial and not complete:
                    await _keep_part(context, ops, task, index, src, output, st, existing)
            finally:
                await output.close(ops)
    return None


async def _keep_part(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    src: int,
    output: Output,
    st: StatResult,
    existing: StatResult | None,
) -> None:
    """The file was not completed: keep what there is of it, if it can be kept; what fails is recorded."""
    placing = context.placing
    assert placing is not None

    async def dress(other: Output) -> None:
        await _finish_metadata(context, ops, task, index, src, other, st, existing, existing)

    try:
        await placing.keep_part(ops, task, index, output, existing, dress)
    except UntrustedError as error:
        task.fail(index, "keep the part of", None, str(error))
    except OSError as error:
        task.fail(index, "keep the part of", error)


async def _copy_settled(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, st: StatResult
) -> StatResult:
    """Copy the data; where the source was written to meanwhile, once more. Returns the status of what was copied, and
    the output is as long as that."""
    if context.teller is not None:
        context.teller.begin(src, task, index, st.st_size)
    for again in (True, False):
        if output.start:
            done = await context.copier.copy_rest(ops, src, output.fd, st, output.start)
        else:
            done = await context.copier.copy(ops, src, output.fd, st, task.place.device)
        now = await context.status(ops, src)
        settled = done >= st.st_size and now.st_mtime_ns == st.st_mtime_ns and now.st_size == st.st_size
        if settled or not again:
            break
        st = now
        if context.removing:
            task.read[index] = st
        if output.mode != -1:
            await ops.call(os.ftruncate, output.fd, 0)
    if done < st.st_size:
        raise SourceChangedError
    if output.mode == -1 and not output.device:
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
    like: StatResult | None,
) -> int:
    """Set everything on the open file; returns the flags of ACL and xattrs in which the old file differed."""
    preserve, place = context.preserve, task.place
    uid, gid = preserve.owner_of(st)
    mode = preserve.mode_of(st, like, context.default_perms)
    times = preserve.times_of(st)
    if output.mode == -1:
        # Writing to it may have taken set-id bits away, so it is looked at again.
        now = await ops.fstat(output.fd)
        if preserve.fake and existing is not None:
            now = existing
        change = difference(preserve, st, mode, now)
        change = Change(*change[:3], *times)
    else:
        if existing is not None and mode & 0o6000 and not preserve.perms:
            mode = _without_set_id(mode, existing, place, uid, gid)
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


def _without_set_id(mode: int, existing: StatResult, place: Place, uid: int, gid: int) -> int:
    """The mode that a replaced file hands on. Set-id bits were given to what its owner had there: where the new file
    has another owner or group, they are not."""
    if (place.uid if uid == -1 else uid) != existing.st_uid:
        mode &= ~stat.S_ISUID
    if (place.gid if gid == -1 else gid) != existing.st_gid:
        mode &= ~stat.S_ISGID
    return mode


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
