"""What happens to one entry of a slice: a coroutine per entry, the same on every backend."""

from __future__ import annotations

import errno
import os
import stat

from arsync.engine import altdest, counts
from arsync.engine.compare import regular_changes
from arsync.engine.context import NO_DESCRIPTORS, Context
from arsync.engine.place import kind_of
from arsync.engine.regular import copy_regular, update_regular
from arsync.engine.removal import after_copy, finish_late
from arsync.engine.special import ignore_unsafe, update_special, update_symlink
from arsync.engine.task import Task
from arsync.engine.unlink import delete_entry
from arsync.engine.wire import CLEARED, DELETE, FOLLOWED, FRESH, LATE, LEADER, LINK, REGULAR, STUCK
from arsync.events import HARDLINK, KEPT, NEW, SKIPPED, TOO_LARGE, TOO_SMALL, Kind
from arsync.fs.copy import StoppedError
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.syscalls import AT_REMOVEDIR
from arsync.fs.temporary import temporary_name
from arsync.fs.views import path_in

#: Where symlinks are followed an inode may be met under more names than it has.
UNKNOWN_LINKS = 1 << 60


class NoDescriptorsError(Exception):
    """No descriptor was free for this entry: it is to be tried again with fewer entries in flight."""


async def handle_entry(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """Bring one entry up to date. What fails is recorded in ``task``; only NoDescriptorsError is raised."""
    try:
        if task.slice.flags & DELETE:
            await delete_entry(context, ops, task, index)
            return
        if task.slice.flags & LATE:
            await finish_late(context, ops, task, index)
            return
        await (_in_detail if context.detailed else _dispatch)(context, ops, task, index)
        if (context.removing or index in task.staged) and index in task.done:
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
    chosen, existing = await _consider(context, ops, task, index, kind, st)
    if not chosen:
        return
    stood = existing is not None
    if existing is not None and stat.S_IFMT(existing.st_mode) != stat.S_IFMT(st.st_mode):
        if not await _make_way(context, ops, task, index, existing):
            return
        existing = None
    if flags & LINK and await _make_link(context, ops, task, index, kind, st, existing):
        return
    if flags & LINK or not await _use_alternative(context, ops, task, index, kind, st, existing, stood):
        await _update(context, ops, task, index, kind, st, existing)
    if flags & LINK:
        # The leader can take no more links: the rest of the batch is linked to this copy.
        task.substitutes[task.leaders[index][:2]] = (task.dst, task.dst_names[index])


async def _consider(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult
) -> tuple[bool, StatResult | None]:
    """Whether something is to be done with an entry now, and what stands at the destination."""
    config, first = context.config, not task.slice.flags & (LEADER | LINK)
    if first and not task.slice.flags & (CLEARED | STUCK):
        context.seen(kind, st.st_size)
    if await _left_out(context, ops, task, index, kind):
        return False, None
    if context.removing:
        task.read[index] = st
    existing = await _lookup(context, ops, task, task.dst_names[index])
    if context.sized and kind is Kind.FILE and _is_of_wrong_size(context, task, index, st, existing):
        return False, existing
    if config.hard_links and st.st_nlink > 1 and first:
        await _offer(context, ops, task, index, kind, st, existing)
        return False, existing
    if config.existing if existing is None else config.ignore_existing:
        await _leave_alone(context, ops, task, index, kind, st, existing)
        return False, existing
    return True, existing


def _is_new_file(context: Context, task: Task, index: int) -> bool:
    """Whether all that is to be known of an entry of a directory that this run made is told by opening its source."""
    config = context.config
    return (
        task.slice.kinds[index] == REGULAR
        and (task.slice.flags & LEADER != 0 or not config.hard_links)
        and not (config.existing or config.fake_super or context.sized or task.alts)
    )


def _is_of_wrong_size(context: Context, task: Task, index: int, st: StatResult, existing: StatResult | None) -> bool:
    """Whether a file is beyond --max-size or --min-size, which is then noted."""
    config = context.config
    if 0 <= config.max_size < st.st_size:
        which = TOO_LARGE
    elif st.st_size < config.min_size:
        which = TOO_SMALL
    else:
        return False
    if not (config.existing if existing is None else config.ignore_existing):
        task.items.append((index, int(Kind.FILE), which, b""))
    return True


async def _leave_alone(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> None:
    """--existing or --ignore-existing say that nothing is done with an entry; --info=skip tells it."""
    if context.skips:
        from arsync.engine.skips import note_left_alone

        await note_left_alone(context, ops, task, index, kind, st, existing)


def _wanted(context: Context, kind: Kind) -> bool:
    config = context.config
    if kind is Kind.FILE or kind is Kind.SYMLINK:
        return kind is Kind.FILE or config.links
    if config.drop_devices:
        return False
    if kind is Kind.DEVICE:
        return config.devices and context.preserve.root  # as rsync: nobody else can
    return config.specials


async def _update(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> None:
    if kind is Kind.FILE:
        await update_regular(context, ops, task, index, st, existing)
    elif kind is Kind.SYMLINK:
        await update_symlink(context, ops, task, index, st, existing)
    else:
        await update_special(context, ops, task, index, kind, st, existing)


async def _offer(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> None:
    """Leave it to the parent what becomes of an entry with several links (-H)."""
    in_alt = await altdest.settled(context, ops, task, index, kind, st) if task.alts else None
    if not in_alt:
        links = UNKNOWN_LINKS if context.follow else st.st_nlink
        task.candidates.append((index, st.st_dev, st.st_ino, links, existing is not None or in_alt is not None))


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
    if kind is Kind.FILE:
        return await altdest.use_for_file(context, ops, task, index, st, existing)
    return not stood and await altdest.use_for_special(context, ops, task, index, kind, st)


async def _left_out(context: Context, ops: FileOps, task: Task, index: int, kind: Kind) -> bool:
    """Whether an entry is not copied because of what it is, which is noted; --existing is silent about what does not
    stand there, --ignore-existing about what does."""
    if _wanted(context, kind):
        if kind is Kind.SYMLINK and context.config.safe_links:
            return await ignore_unsafe(context, ops, task, index)
        return False
    config = context.config
    stands = False
    if config.existing or config.ignore_existing:
        stands = await _lookup(context, ops, task, task.dst_names[index]) is not None
    if stands if config.existing else not stands:
        task.items.append((index, int(kind), SKIPPED, b""))
    return True


async def _lookup(context: Context, ops: FileOps, task: Task, name: bytes) -> StatResult | None:
    """What stands at the destination."""
    if task.slice.flags & FRESH or task.dst < 0:
        return None
    try:
        st = await ops.lstat(task.dst, name)
        return st if context.dest_view is None else await ops.call(context.dest_view, path_in(task.dst, name), st)
    except FileNotFoundError:
        return None


async def _make_way(context: Context, ops: FileOps, task: Task, index: int, existing: StatResult) -> bool:
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


async def _new_link_changes(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, leader: tuple[int, bytes]
) -> int:
    """The itemized flags of a link where nothing stands; 0 where an alternative tree has the same link."""
    if task.alts:
        changes = await altdest.member_changes(context, ops, task, index, kind, st, leader)
        if changes is not None:
            return changes
    return HARDLINK | NEW


async def _replace_by_link(context: Context, ops: FileOps, task: Task, index: int, temporary: bytes) -> None:
    try:
        if context.placing is not None:
            await context.placing.keep_old(ops, task, index)
        await ops.renameat(task.dst, temporary, task.dst, task.dst_names[index])
    except OSError:
        await ops.unlinkat(task.dst, temporary)
        raise


async def _make_link(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> bool:
    """Make the entry a hard link to its leader; False where the leader can take no more links (EMLINK)."""
    leader_dir, leader, leader_path = task.leaders[index]
    if (substitute := task.substitutes.get((leader_dir, leader))) is not None:
        leader_dir, leader = substitute
    name = task.dst_names[index]
    if existing is None:
        changes = await _new_link_changes(context, ops, task, index, kind, st, (leader_dir, leader))
    else:
        changes = HARDLINK | regular_changes(context.preserve, st, existing)
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
            await _replace_by_link(context, ops, task, index, temporary)
    with context.lock:
        context.counts[counts.LINKED] += 1
    if changes:
        context.done(task, index, kind, changes, leader_path)
        return True
    task.done.add(index)
    if context.report_unchanged:  # a link of the alternative tree's too
        task.items.append((index, int(kind), HARDLINK, leader_path))
    return True
