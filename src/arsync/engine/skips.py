"""What --info=skip tells of entries that --existing, --ignore-existing and --update leave alone."""

from __future__ import annotations

import stat

from arsync.engine.compare import attribute_changes, quick_check, regular_changes
from arsync.engine.context import Context
from arsync.engine.regular import same_contents
from arsync.engine.special import kept_target, source_target
from arsync.engine.task import Task
from arsync.events import ABSENT, EXISTS, Kind
from arsync.fs.protocol import FileOps, StatResult


async def note_left_alone(
    context: Context, ops: FileOps, task: Task, index: int, kind: Kind, st: StatResult, existing: StatResult | None
) -> None:
    """Note that an entry is not made (--existing) or not updated (--ignore-existing)."""
    if existing is None:
        task.items.append((index, int(kind), ABSENT, b""))
        return
    how = b"" if context.skips < 2 else await _difference(context, ops, task, index, st, existing)
    task.items.append((index, int(kind), EXISTS, how))


async def _difference(
    context: Context, ops: FileOps, task: Task, index: int, st: StatResult, existing: StatResult
) -> bytes:
    """In which way what exists is not what it would have become."""
    if stat.S_IFMT(st.st_mode) != stat.S_IFMT(existing.st_mode):
        return b"type change"
    regular = stat.S_ISREG(st.st_mode)
    if regular:
        same = quick_check(context.config, st, existing)
        if same is None:
            same = await same_contents(context, ops, task, index, st, task.dst)
    elif stat.S_ISLNK(st.st_mode):
        target = await source_target(context, ops, task, index)
        same = target == await ops.call(kept_target(context), task.dst_names[index], task.dst)
    else:
        same = st.st_rdev == existing.st_rdev
    if not same:
        return b"sum change" if context.config.checksum else b"file change"
    changes = regular_changes if regular else attribute_changes
    return b"attr change" if changes(context.preserve, st, existing) else b"uptodate"
