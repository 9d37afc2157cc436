"""A slice of entries that are deleted: what a worker does with them."""

from __future__ import annotations

import os

from arsync.engine import counts
from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.events import DELETED
from arsync.fs.protocol import FileOps


async def delete_entry(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """Delete one entry that is no directory; what fails is recorded. One that is gone already is no failure."""
    placing = context.placing
    try:
        if placing is None or not await placing.keep_deleted(ops, task, index):
            await ops.unlinkat(task.dst, task.slice.names[index])
    except FileNotFoundError:
        return
    except OSError as error:
        task.fail(index, "delete", error)
        return
    with context.lock:
        context.counts[counts.DELETED + task.slice.kinds[index]] += 1
    if context.report:
        task.items.append((index, task.slice.kinds[index], DELETED, b""))


def delete_warmly(context: Context, task: Task, begin: int, end: int) -> int:
    """Delete the entries from ``begin`` on by plain calls, while nothing is waited for; returns ``end``, or ``begin``
    where backups are kept."""
    if context.config.backup:
        return begin
    names, kinds, dst, unlink = task.slice.names, task.slice.kinds, task.dst, os.unlink
    done = []
    for index in range(begin, end):
        try:
            unlink(names[index], dir_fd=dst)
        except FileNotFoundError:
            continue
        except OSError as error:
            task.fail(index, "delete", error)
            continue
        done.append(index)
    with context.lock:
        for index in done:
            context.counts[counts.DELETED + kinds[index]] += 1
    if context.report:
        task.items.extend((index, kinds[index], DELETED, b"") for index in done)
    return end
