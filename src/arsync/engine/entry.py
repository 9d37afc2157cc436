"""What happens to one entry of a slice: a coroutine per entry, the same on every backend."""

from __future__ import annotations

import errno
import os
import stat

from arsync.engine import counts
from arsync.engine.compare import regular_changes
from arsync.engine.context import NO_DESCRIPTORS, Context
from arsync.engine.place import kind_of
from arsync.engine.regular import copy_regular, update_regular
from arsync.engine.special import update_special, update_symlink
from arsync.engine.task import Task
from arsync.engine.wire import FRESH, LEADER, LINK, REGULAR
from arsync.events import HARDLINK, KEPT, NEW, SKIPPED, Kind
from arsync.fs.copy import StoppedError
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.syscalls import AT_REMOVEDIR
from arsync.fs.temporary import temporary_name


class NoDescriptorsError(Exception):
    """No descriptor was free for this entry: it is to be tried again with fewer entries in flight."""


async def handle_entry(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """Bring one entry up to date. What fails is recorded in ``task``; only NoDescriptorsError is raised."""
    try:
        await _dispatch(context, ops, task, index)
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


async def _exists(ops: FileOps, task: Task, index: int) -> bool:
    """Whether the source still has the entry, so that ENOENT was the destination's."""
    try:
        await ops.lstat(task.src, task.slice.names[index])
    except OSError:
        return False
    return True


async def _dispatch(context: Context, ops: FileOps, task: Task, index: int) -> None:
    config, flags = context.config, task.slice.flags
    if (
        flags & FRESH
        and task.slice.kinds[index] == REGULAR
        and (flags & LEADER or not config.hard_links)
        and not config.existing
    ):
        # Nothing can stand at the destination: opening the source tells all that lstat would.
        await copy_regular(context, ops, task, index, None, count=not flags & LEADER)
        return
    st = await ops.lstat(task.src, task.slice.names[index])
    kind = kind_of(st)
    if kind is Kind.DIRECTORY:
        task.fail(index, "copy", None, "it has become a directory since it was listed")
        return
    if not flags & (LEADER | LINK):
        context.seen(kind, st.st_size)
    if not _wanted(context, kind):
        await _pass_over(context, ops, task, index, kind)
        return
    existing = await _lookup(ops, task, task.dst_names[index])
    if config.hard_links and st.st_nlink > 1 and not flags & (LEADER | LINK):
        task.candidates.append((index, st.st_dev, st.st_ino, st.st_nlink, existing is not None))
        return
    if config.existing if existing is None else config.ignore_existing:
        return
    if existing is not None and stat.S_IFMT(existing.st_mode) != stat.S_IFMT(st.st_mode):
        if not await _make_way(context, ops, task, index, existing):
            return
        existing = None
    if flags & LINK and await _make_link(context, ops, task, index, kind, st, existing):
        return
    if kind is Kind.FILE:
        await update_regular(context, ops, task, index, st, existing)
    elif kind is Kind.SYMLINK:
        await update_symlink(context, ops, task, index, st, existing)
    else:
        await update_special(context, ops, task, index, kind, st, existing)
    if flags & LINK:
        # The leader can take no more links: the rest of the batch is linked to this copy.
        task.substitutes[task.leaders[index][:2]] = (task.dst, task.dst_names[index])


def _wanted(context: Context, kind: Kind) -> bool:
    config = context.config
    return (
        kind is Kind.FILE
        or (kind is Kind.SYMLINK and config.links)
        or (kind is Kind.DEVICE and config.devices and context.preserve.who.uid == 0)  # as rsync: nobody else can
        or (kind is Kind.SPECIAL and config.specials)
    )


async def _pass_over(context: Context, ops: FileOps, task: Task, index: int, kind: Kind) -> None:
    """Note that an entry is not copied because of its kind; --existing is silent about what does not stand there."""
    if not context.config.existing or await _lookup(ops, task, task.dst_names[index]) is not None:
        task.items.append((index, int(kind), SKIPPED, b""))


async def _lookup(ops: FileOps, task: Task, name: bytes) -> StatResult | None:
    """What stands at the destination."""
    if task.slice.flags & FRESH or task.dst < 0:
        return None
    try:
        return await ops.lstat(task.dst, name)
    except FileNotFoundError:
        return None


async def _make_way(context: Context, ops: FileOps, task: Task, index: int, existing: StatResult) -> bool:
    """Something of another kind stands where the entry goes; False where it has to stay.

    An empty directory is removed. What is no directory is left until a rename replaces it.
    """
    if not stat.S_ISDIR(existing.st_mode):
        task.occupied.add(index)
        return True
    name = task.dst_names[index]
    try:
        if context.config.dry_run:
            await _check_empty(ops, task.dst, name)
        else:
            await ops.unlinkat(task.dst, name, AT_REMOVEDIR)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
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


async def _make_link(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> bool:
    """Make the entry a hard link to its leader; False where the leader can take no more links (EMLINK)."""
    leader_dir, leader, leader_path = task.leaders[index]
    if (substitute := task.substitutes.get((leader_dir, leader))) is not None:
        leader_dir, leader = substitute
    name = task.dst_names[index]
    if existing is None:
        changes = HARDLINK | NEW
    else:
        changes = HARDLINK | regular_changes(context.config, context.preserve, st, existing)
        if leader_dir >= 0:
            there = await ops.lstat(leader_dir, leader)
            if (there.st_dev, there.st_ino) == (existing.st_dev, existing.st_ino):
                if context.report_unchanged:
                    task.items.append((index, int(kind), HARDLINK, b""))
                return True
    if not context.config.dry_run:
        temporary = name if existing is None and index not in task.occupied else temporary_name(name)
        try:
            await ops.linkat(leader_dir, leader, task.dst, temporary)
        except OSError as error:
            if error.errno == errno.EMLINK or (substitute is not None and error.errno == errno.ENOENT):
                return False
            raise
        if temporary != name:
            try:
                await ops.renameat(task.dst, temporary, task.dst, name)
            except OSError:
                await ops.unlinkat(task.dst, temporary)
                raise
    with context.lock:
        context.counts[counts.LINKED] += 1
    context.done(task, index, kind, changes, leader_path)
    return True
