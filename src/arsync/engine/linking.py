"""A further name of an inode of which another name was copied (-H): it becomes a hard link."""

from __future__ import annotations

import errno
from contextlib import suppress

from arsync.engine import counts
from arsync.engine.compare import regular_changes
from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.engine.wire import REPLACED
from arsync.events import HARDLINK, NEW, TIME_NOW, Kind
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.temporary import temporary_name


async def _new_link_changes(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, leader: tuple[int, bytes]
) -> int:
    """The itemized flags of a link where nothing stands; 0 where an alternative tree has the same link."""
    if task.alts:
        from arsync.engine.altdest import member_changes

        changes = await member_changes(context, ops, task, index, kind, st, leader)
        if changes is not None:
            return changes
    return HARDLINK | NEW


def _replaced_link_changes(context: Context, st: StatResult, existing: StatResult) -> int:
    """The itemized flags of a link that takes the place of something."""
    changes = HARDLINK | regular_changes(context.preserve, st, existing)
    return changes if context.config.times else changes | TIME_NOW


async def _replace_by_link(context: Context, ops: FileOps, task: Task, index: int, temporary: bytes) -> None:
    try:
        if context.placing is not None:
            await context.placing.keep_old(ops, task, index)
        await ops.renameat(task.dst, temporary, task.dst, task.dst_names[index])
    finally:
        # It is still there where the rename failed, or had nothing to do: see put_link in output.py.
        with suppress(FileNotFoundError):
            await ops.unlinkat(task.dst, temporary)


async def make_link(
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
        changes = _replaced_link_changes(context, st, existing)
        if leader_dir >= 0 and not task.slice.flags & REPLACED:
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
        if context.placing is not None:
            await context.placing.named(ops, task)
    with context.lock:
        context.counts[counts.LINKED] += 1
    if changes:
        context.done(task, index, kind, changes, leader_path)
        return True
    task.done.add(index)
    if context.report_unchanged:  # a link of the alternative tree's too
        task.items.append((index, int(kind), HARDLINK, leader_path))
    return True
