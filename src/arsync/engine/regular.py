"""Copying one regular file: open, data, metadata by descriptor, and last its name.

Whatever fails, and whenever the process is killed, the destination's name holds the old file or the whole new one.
"""

from __future__ import annotations

import stat

from arsync.engine.compare import is_newer, quick_check, regular_changes
from arsync.engine.context import Context
from arsync.engine.replace import Basis, replace
from arsync.engine.task import Task
from arsync.engine.update import update_metadata
from arsync.events import ALT, CHECKSUM, LOCAL, NEW, NEWER, TIME_NOW, TRANSFER, Kind
from arsync.fs.blocks import same_content
from arsync.fs.protocol import FileOps, StatResult


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
            attributes = await replace(context, ops, task, index, src, st, existing, basis)
            if attributes is None:
                return
            if existing is not None:
                changes |= attributes
    finally:
        await ops.close(src)
    if basis is None or basis.data < 0:
        context.transferred(st.st_size)
    context.done(task, index, Kind.FILE, changes)
