"""Alternative trees in a worker: --compare-dest, --copy-dest and --link-dest.

An entry that is not at the destination yet may stand, the same, in another tree (yesterday's copy). The best one is
looked for in the order in which the trees were given: one that is the same in all that is preserved (EXACT), else one
with the same contents (SAME), else any of its kind, which at least is what the itemized line is compared with (OTHER).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from arsync.config import AltDest
from arsync.engine.attributes import acl_and_xattr
from arsync.engine.compare import attribute_changes, is_newer, quick_check, regular_changes
from arsync.engine.context import Context
from arsync.engine.output import put_link
from arsync.engine.place import OPEN_SOURCE, kind_of
from arsync.engine.regular import copy_regular, same_contents
from arsync.engine.replace import Basis
from arsync.engine.special import source_target, update_special, update_symlink
from arsync.engine.task import Task
from arsync.events import ACL, ALT, CHECKSUM, HARDLINK, LOCAL, TIME_NOW, XATTR, Kind
from arsync.fs.metadata import AttributeSet
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import path_of

OTHER, SAME, EXACT = 1, 2, 3

_HELD = os.O_PATH | os.O_NOFOLLOW

#: errno values of a file of which no link can be made there: it is copied instead.
_NO_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})


class Match(NamedTuple):
    """An entry of an alternative tree."""

    level: int
    directory: int
    st: StatResult
    changes: int  # the itemized flags of what differs from the source


async def find(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, target: bytes = b""
) -> Match | None:
    """The best entry for a source whose status is ``st`` (and a symlink's ``target``); None where there is none."""
    best: Match | None = None
    for directory in task.alts:
        found = await _judge(context, ops, task, index, directory, kind, st, target)
        if found is not None and (best is None or found.level > best.level):
            best = found
            if best.level == EXACT:
                break
    return best


async def _judge(
    context: Context, ops: FileOps, task: Task, index: int, directory: int, kind: Kind, st: StatResult, target: bytes
) -> Match | None:
    try:
        fd = await ops.openat(directory, task.dst_names[index], _HELD)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES):
            return None
        raise
    try:
        there = await ops.fstat(fd)
        if kind_of(there) is not kind:
            return None
        config = context.config
        if kind is Kind.FILE:
            same = quick_check(config, st, there)
            if same is None:
                same = bool(await same_contents(context, ops, task, index, st, directory))
            changes = regular_changes(context.preserve, st, there)
        else:
            same = await _same_special(ops, fd, kind, st, there, target)
            changes = attribute_changes(context.preserve, st, there)
        if same and context.attributes_wanted is not None:
            changes |= await _attributes_differ(context, ops, task, index, fd)
    finally:
        await ops.close(fd)
    return Match(EXACT if same and not changes else SAME if same else OTHER, directory, there, changes)


async def _same_special(ops: FileOps, fd: int, kind: Kind, st: StatResult, there: StatResult, target: bytes) -> bool:
    if kind is Kind.SYMLINK:
        return await ops.call(_readlink, fd) == target
    return stat.S_IFMT(st.st_mode) == stat.S_IFMT(there.st_mode) and (
        kind is Kind.SPECIAL or st.st_rdev == there.st_rdev
    )


def _readlink(fd: int) -> bytes:
    return os.readlink(b"", dir_fd=fd)


async def _attributes_differ(context: Context, ops: FileOps, task: Task, index: int, fd: int) -> int:
    src = await ops.openat(task.src, task.slice.names[index], task.source_flags(index, _HELD))
    try:
        new = await context.source_attributes(ops, task, path_of(src))
    finally:
        await ops.close(src)
    return acl_and_xattr(AttributeSet(new, await context.read_attributes(ops, task, path_of(fd))), ACL, XATTR)


async def settled(context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult) -> bool | None:
    """What -H has to know of an entry before its group is formed: True where --compare-dest leaves it out, which is
    then recorded; False where an alternative tree has it; None where none has."""
    if kind is not Kind.FILE:
        return None
    match = await find(context, ops, task, index, kind, st)
    if match is None:
        return None
    if match.level < EXACT or context.config.alt_dest is not AltDest.COMPARE:
        return False
    await _leave_out(context, ops, task, index, kind, b"")
    return True


async def use_for_file(
    context: Context, ops: FileOps, task: Task, index: int, st: StatResult, existing: StatResult | None
) -> bool:
    """Bring a regular file up to date by an alternative tree; False where it is done as without one."""
    config = context.config
    if existing is not None and config.update and is_newer(existing, st, config.modify_window):
        return False
    match = await find(context, ops, task, index, Kind.FILE, st)
    if match is None or (existing is not None and (match.level < EXACT or config.alt_dest is AltDest.COPY)):
        return False
    if match.level == EXACT and config.alt_dest is AltDest.COMPARE:
        await _leave_out(context, ops, task, index, Kind.FILE, b"", remove=existing is not None)
        return True
    if match.level == EXACT and config.alt_dest is AltDest.LINK:
        if existing is not None and _is_same(existing, match.st):
            context.done(task, index, Kind.FILE, 0)
            return True
        if await _link(context, ops, task, index, match, existing is not None):
            context.done(task, index, Kind.FILE, HARDLINK | ALT)
            return True
        if existing is not None:
            return False
    if match.level == OTHER:
        changes = CHECKSUM if config.checksum else 0
        await copy_regular(context, ops, task, index, None, changes, basis=Basis(match.st, match.changes))
        return True
    return await _copy(context, ops, task, index, match)


async def _copy(context: Context, ops: FileOps, task: Task, index: int, match: Match) -> bool:
    """Copy an alternative's data, and the source's metadata; False where it is not there any more."""
    try:
        data = await ops.openat(match.directory, task.dst_names[index], OPEN_SOURCE)
    except OSError:
        return False  # nobody may read it: the source is copied
    try:
        if not _is_same(await ops.fstat(data), match.st):
            return False
        await copy_regular(context, ops, task, index, None, basis=Basis(match.st, match.changes, data))
    finally:
        await ops.close(data)
    return True


async def use_for_special(context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult) -> bool:
    """The same for a symlink, device, fifo or socket where nothing stands; False where no tree has it."""
    target = await source_target(context, ops, task, index) if kind is Kind.SYMLINK else b""
    match = await find(context, ops, task, index, kind, st, target)
    if match is None:
        return False
    changes = LOCAL | CHECKSUM | match.changes | (0 if context.config.times else TIME_NOW)
    if match.level == EXACT:
        if context.config.alt_dest is AltDest.COMPARE:
            await _leave_out(context, ops, task, index, kind, target)
            return True
        if context.config.alt_dest is AltDest.LINK and await _link(context, ops, task, index, match, False):
            context.done(task, index, kind, HARDLINK | ALT, target)
            return True
        changes = LOCAL | ALT
    if kind is Kind.SYMLINK:
        await update_symlink(context, ops, task, index, st, None, changes)
    else:
        await update_special(context, ops, task, index, kind, st, None, changes)
    return True


async def member_changes(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, leader: tuple[int, bytes]
) -> int | None:
    """The itemized flags of a new hard link (-H) that an alternative tree has too; None where that makes none."""
    if kind is not Kind.FILE and context.config.alt_dest is not AltDest.LINK:
        return None
    target = await source_target(context, ops, task, index) if kind is Kind.SYMLINK else b""
    match = await find(context, ops, task, index, kind, st, target)
    if match is None or match.level < EXACT:
        return None
    if context.config.alt_dest is not AltDest.LINK:
        return HARDLINK if context.config.times else HARDLINK | TIME_NOW
    if leader[0] < 0 or not _is_same(await ops.lstat(*leader), match.st):
        return None
    return 0


async def _leave_out(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, target: bytes, *, remove: bool = False
) -> None:
    """--compare-dest has it: it is not to be at the destination."""
    if (remove or index in task.occupied) and not context.config.dry_run:
        await ops.unlinkat(task.dst, task.dst_names[index])
    context.done(task, index, kind, ALT, target)


async def _link(context: Context, ops: FileOps, task: Task, index: int, match: Match, replace: bool) -> bool:
    """Link what was judged, and nothing that has taken its name since; False where it cannot be linked there."""
    if context.config.dry_run:
        return True
    name = task.dst_names[index]
    fd = await ops.openat(match.directory, name, _HELD)
    try:
        if not _is_same(await ops.fstat(fd), match.st):
            return False
        await put_link(ops, fd, task.dst, name, replace=replace or index in task.occupied)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    finally:
        await ops.close(fd)
    if context.placing is not None:
        await context.placing.named(ops, task)
    return True


def _is_same(first: StatResult, second: StatResult) -> bool:
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
