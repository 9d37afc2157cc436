"""What happens to one entry of a slice: a coroutine per entry, the same on every backend."""

from __future__ import annotations

import os
import stat

from arsync.engine.consider import consider
from arsync.engine.context import NO_DESCRIPTORS, Context
from arsync.engine.linking import make_link
from arsync.engine.makeway import make_way
from arsync.engine.place import kind_of
from arsync.engine.regular import copy_regular, update_regular
from arsync.engine.special import update_special, update_symlink
from arsync.engine.task import Task
from arsync.engine.wire import DELETE, FOLLOWED, FRESH, LATE, LEADER, LINK, REGULAR
from arsync.events import Kind
from arsync.fs.blocks import StoppedError
from arsync.fs.protocol import FileOps, StatResult


class NoDescriptorsError(Exception):
    """No descriptor was free for this entry: it is to be tried again with fewer entries in flight."""


async def handle_entry(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """Bring one entry up to date. What fails is recorded in ``task``; only NoDescriptorsError is raised."""
    try:
        if task.slice.flags & DELETE:
            from arsync.engine.unlink import delete_entry

            await delete_entry(context, ops, task, index)
            return
        if task.slice.flags & LATE:
            from arsync.engine.removal import finish_late

            await finish_late(context, ops, task, index)
            return
        await (_in_detail if context.detailed else _dispatch)(context, ops, task, index)
        if (context.removing or index in task.staged) and index in task.done:
            from arsync.engine.removal import after_copy

            await after_copy(context, ops, task, index)
    except StoppedError:
        task.stopped = True
    except FileNotFoundError as error:
        task.fail(index, "open", error, vanished=not await _exists(ops, task, index))
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            raise NoDescriptorsError from error
        task.fail(index, "copy", error)
    except Exception as error:  # a defect of arsync: it must not cost the other files
        task.fail(index, "copy", None, f"unexpected {error!r}")


async def _in_detail(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """The same where more of each entry is shown than its name and what was done."""
    from arsync.engine.detail import add_checksum, describe, list_entry

    if context.config.list_only:
        await list_entry(context, ops, task, index)
        return
    await describe(context, ops, task, index)
    await _dispatch(context, ops, task, index)
    if context.checksums:
        await add_checksum(context, ops, task, index)


async def _stat_source(context: Context, ops: FileOps, task: Task, index: int) -> StatResult:
    name = task.slice.names[index]
    if task.slice.kinds[index] != FOLLOWED:
        return await (ops.lstat(task.src, name) if context.source_view is None else context.see(ops, task.src, name))
    fd = await ops.openat(task.src, name, os.O_PATH)
    try:
        return await context.status(ops, fd)
    finally:
        await ops.close(fd)


async def _exists(ops: FileOps, task: Task, index: int) -> bool:
    """Whether the source still has the entry, so that ENOENT was the destination's."""
    try:
        await ops.lstat(task.src, task.slice.names[index])
    except OSError:
        return False
    return True


async def _dispatch(context: Context, ops: FileOps, task: Task, index: int) -> None:
    flags = task.slice.flags
    if flags & FRESH and _is_new_file(context, task, index):
        # Nothing can stand at the destination: opening the source tells all that lstat would.
        await copy_regular(context, ops, task, index, None, count=not flags & LEADER)
        return
    st = await _stat_source(context, ops, task, index)
    kind = kind_of(st)
    if kind is Kind.DIRECTORY:
        task.fail(index, "copy", None, "it has become a directory since it was listed")
        return
    chosen, existing = await consider(context, ops, task, index, kind, st)
    if not chosen:
        return
    stood = existing is not None
    if existing is not None and stat.S_IFMT(existing.st_mode) != stat.S_IFMT(st.st_mode):
        if not await make_way(context, ops, task, index, existing):
            return
        existing = None
    if flags & LINK and await make_link(context, ops, task, index, kind, st, existing):
        return
    if flags & LINK or not await _use_alternative(context, ops, task, index, kind, st, existing, stood):
        await _update(context, ops, task, index, kind, st, existing)
    if flags & LINK:
        # The leader can take no more links: the rest of the batch is linked to this copy.
        task.substitutes[task.leaders[index][:2]] = (task.dst, task.dst_names[index])


def _is_new_file(context: Context, task: Task, index: int) -> bool:
    """Whether all that is to be known of an entry of a directory that this run made is told by opening its source."""
    config = context.config
    return (
        task.slice.kinds[index] == REGULAR
        and (task.slice.flags & LEADER != 0 or not config.hard_links)
        and not (config.existing or config.fake_super or context.sized or task.alts)
    )


async def _update(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> None:
    if kind is Kind.FILE:
        await update_regular(context, ops, task, index, st, existing)
    elif kind is Kind.SYMLINK:
        await update_symlink(context, ops, task, index, st, existing)
    else:
        await update_special(context, ops, task, index, kind, st, existing)


async def _use_alternative(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    kind: Kind,
    st: StatResult,
    existing: StatResult | None,
    stood: bool,
) -> bool:
    if not task.alts:
        return False
    from arsync.engine import altdest

    if kind is Kind.FILE:
        return await altdest.use_for_file(context, ops, task, index, st, existing)
    return not stood and await altdest.use_for_special(context, ops, task, index, kind, st)
