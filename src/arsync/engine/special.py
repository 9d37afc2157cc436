"""Symlinks, devices, fifos and sockets: entries without data, made whole in one system call."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable

from arsync.engine.compare import attribute_changes
from arsync.engine.context import Context
from arsync.engine.output import DestinationChangedError
from arsync.engine.task import Task
from arsync.engine.update import update_metadata
from arsync.events import CHECKSUM, LOCAL, NEW, TIME, TIME_NOW, UNSAFE, Kind
from arsync.fs.metadata import AttributeSet, Change
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.symlinks import is_unsafe, unmunged
from arsync.fs.temporary import temporary_name
from arsync.fs.xattr import path_of

#: Makes the entry under the name it is given.
Make = Callable[[bytes], Awaitable[None]]


def _readlink(name: bytes, dir_fd: int) -> bytes:
    return os.readlink(name, dir_fd=dir_fd)


def _reader(context: Context) -> Callable[[bytes, int], bytes]:
    """What reads a symlink's target."""
    if not context.preserve.fake:
        return _readlink
    from arsync.fs.fakesuper import read_target

    return read_target


def kept_target(context: Context) -> Callable[[bytes, int], bytes]:
    """What reads where a symlink that may be left as it is points to."""
    if not context.preserve.fake:
        return _readlink
    from arsync.fs.fakesuper import read_file

    return read_file


async def source_target(context: Context, ops: FileOps, task: Task, index: int) -> bytes:
    """Where the source's symlink points to, as the run has it (--munge-links)."""
    readlink = _reader(context)
    target = await ops.call(readlink, task.slice.names[index], task.src)
    return unmunged(target) if context.config.munge_links else target


async def ignore_unsafe(context: Context, ops: FileOps, task: Task, index: int) -> bool:
    """Whether the symlink leads out of the transfer, and is therefore left alone (--safe-links)."""
    target = await source_target(context, ops, task, index)
    if not is_unsafe(target, task.slice.prefix):
        return False
    if context.report:
        task.items.append((index, int(Kind.SYMLINK), UNSAFE, target))
    return True


async def update_symlink(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    st: StatResult,
    existing: StatResult | None,
    changes: int = LOCAL | NEW,
) -> None:
    """Make the destination a symlink with the source's target; an old one is replaced by a rename. ``changes``: the
    itemized flags of one that is new."""
    target = await source_target(context, ops, task, index)
    if context.config.copy_unsafe_links and is_unsafe(target, task.slice.prefix):
        task.fail(index, "copy", None, "the symlink has changed since it was listed")
        return
    if existing is not None and await ops.call(kept_target(context), task.dst_names[index], task.dst) == target:
        await _update_attributes(context, ops, task, index, Kind.SYMLINK, st, existing, target)
        return

    async def make(as_name: bytes) -> None:
        if context.preserve.fake:
            from arsync.fs.fakesuper import make_file

            await ops.call(make_file, as_name, target, task.dst)
        else:
            await ops.symlinkat(target, task.dst, as_name)

    await _replace(context, ops, task, index, Kind.SYMLINK, st, existing, make, target, changes)


async def update_special(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    kind: Kind,
    st: StatResult,
    existing: StatResult | None,
    changes: int = LOCAL | NEW,
) -> None:
    """Make the destination a device, fifo or socket like the source; ``changes`` as for a symlink."""
    if existing is not None and (
        stat.S_IFMT(existing.st_mode) == stat.S_IFMT(st.st_mode)
        and (kind is Kind.SPECIAL or existing.st_rdev == st.st_rdev)
    ):
        await _update_attributes(context, ops, task, index, kind, st, existing, b"")
        return
    mode = stat.S_IFMT(st.st_mode)  # no permission for anybody until the owner is right

    async def make(as_name: bytes) -> None:
        if context.preserve.fake:
            from arsync.fs.fakesuper import make_file

            await ops.call(make_file, as_name, b"", task.dst)
            return
        # No opcode exists for mknod.
        await ops.call(_mknod, as_name, mode, st.st_rdev if kind is Kind.DEVICE else 0, task.dst)

    await _replace(context, ops, task, index, kind, st, existing, make, b"", changes)


def _mknod(name: bytes, mode: int, device: int, dir_fd: int) -> None:
    os.mknod(name, mode, device, dir_fd=dir_fd)


async def _update_attributes(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    kind: Kind,
    st: StatResult,
    existing: StatResult,
    target: bytes,
) -> None:
    changes = attribute_changes(context.preserve, st, existing)
    if changes or context.attributes_wanted is not None:
        changes = await update_metadata(context, ops, task, index, st, existing, changes)
    context.done(task, index, kind, changes, target)


async def _replace(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    kind: Kind,
    st: StatResult,
    existing: StatResult | None,
    make: Make,
    target: bytes,
    changes: int,
) -> None:
    """Make the entry under its name, or under a temporary one that is renamed over ``existing``.

    Where somebody else changes the entry before it is complete, that is recorded, and nothing is renamed.
    """
    name = task.dst_names[index]
    if existing is not None:
        changes = LOCAL | CHECKSUM | attribute_changes(context.preserve, st, existing)
        if not context.preserve.keeps_mtime(stat.S_IFMT(st.st_mode)):
            changes |= TIME if context.config.times else TIME_NOW
    if not context.config.dry_run:
        temporary = name if existing is None and index not in task.occupied else temporary_name(name)
        await make(temporary)
        try:
            await _set_metadata(context, ops, task, index, st, existing, temporary)
            if temporary != name:
                if context.placing is not None:
                    await context.placing.keep_old(ops, task, index)
                await ops.renameat(task.dst, temporary, task.dst, name)
        except DestinationChangedError:
            # What stands under the temporary name now is not ours to remove.
            task.fail(index, "set metadata of", None, "something else took its place since it was made")
            return
        except BaseException:
            # Under its own name too: half made it is not the new entry, and a second try would find the name taken.
            await ops.unlinkat(task.dst, temporary)
            raise
        if context.placing is not None:
            await context.placing.named(ops, task)
    elif context.placing is not None and (existing is not None or index in task.occupied):
        context.placing.foresee_backup(task, index)
    context.done(task, index, kind, changes, target)


async def _set_metadata(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    st: StatResult,
    existing: StatResult | None,
    made: bytes,
) -> None:
    """Set everything on the entry that was made, and on nothing else that somebody put under its name since: raises
    DestinationChangedError where it is of another kind, or has another name by which it may be somebody's own."""
    preserve = context.preserve
    uid, gid = preserve.owner_of(st)
    mode = -1 if stat.S_ISLNK(st.st_mode) and not preserve.fake else preserve.mode_of(st, existing, task.place.perms)
    kind = stat.S_IFMT(st.st_mode)
    change = Change(uid, gid, mode, *preserve.times_of(st))
    if preserve.fake:
        device = st.st_rdev if stat.S_ISCHR(kind) or stat.S_ISBLK(kind) else 0
        change, kind = change._replace(kind=kind, device=device), stat.S_IFREG
    held = os.O_PATH | os.O_NOFOLLOW
    fd = await ops.openat(task.dst, made, held)
    try:
        now = await ops.fstat(fd)
        if stat.S_IFMT(now.st_mode) != kind or now.st_nlink > 1:
            raise DestinationChangedError
        attributes = None
        if context.attributes_wanted is not None:
            src = await ops.openat(task.src, task.slice.names[index], task.source_flags(index, held))
            try:
                new = await context.source_attributes(ops, task, path_of(src))
            finally:
                await ops.close(src)
            attributes = AttributeSet(new, await context.read_attributes(ops, task, path_of(fd)))
        await context.set_metadata(ops, task, index, path_of(fd), change, attributes)
    finally:
        await ops.close(fd)
