"""Whether anything is to be done with an entry: the options that leave some out."""

from __future__ import annotations

import stat

from arsync.engine.context import Context
from arsync.engine.special import ignore_unsafe
from arsync.engine.task import Task
from arsync.engine.wire import CLEARED, FRESH, LEADER, LINK, STUCK
from arsync.events import SKIPPED, TOO_LARGE, TOO_SMALL, Kind
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.views import path_in

#: Where symlinks are followed an inode may be met under more names than it has.
UNKNOWN_LINKS = 1 << 60


async def consider(
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


async def _offer(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> None:
    """Leave it to the parent what becomes of an entry with several links (-H)."""
    in_alt = None
    if task.alts:
        from arsync.engine.altdest import settled

        in_alt = await settled(context, ops, task, index, kind, st)
    if not in_alt:
        links = UNKNOWN_LINKS if context.follow else st.st_nlink
        # What is of another kind is replaced in any case, and counts as if nothing stood there.
        stands = existing is not None and stat.S_IFMT(existing.st_mode) == stat.S_IFMT(st.st_mode)
        task.candidates.append((index, st.st_dev, st.st_ino, links, stands or in_alt is not None, None))


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
