"""--remove-source-files: a source goes once its copy stands under its name, and only as it was when it was read."""

from __future__ import annotations

import stat

from arsync.engine.context import Context
from arsync.engine.output import UntrustedError
from arsync.engine.place import kind_of
from arsync.engine.task import Task
from arsync.engine.wire import LEADER, LINK
from arsync.events import REMOVED
from arsync.fs.protocol import FileOps


async def after_copy(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """An entry's destination is as its source: see to what is left to do, now or at the end of the run."""
    st = task.read.get(index)
    size, mtime_ns = (st.st_size, st.st_mtime_ns) if st is not None else (0, 0)
    staged = index in task.staged
    # Names of one file (-H) are told by their number of links, so none goes before all have come.
    linked = context.config.hard_links and (task.slice.flags & (LEADER | LINK) or (st is not None and st.st_nlink > 1))
    if staged or (context.removing and linked):
        task.late.append((index, int(staged), size, mtime_ns))
    elif context.removing:
        await remove_source(context, ops, task, index, size, mtime_ns)


async def remove_source(context: Context, ops: FileOps, task: Task, index: int, size: int, mtime_ns: int) -> None:
    """Remove a source that had this size and time when it was read. What fails is recorded."""
    name = task.slice.names[index]
    try:
        now = await ops.lstat(task.src, name)
        copy = await ops.lstat(task.dst, task.dst_names[index])
        if (now.st_dev, now.st_ino) == (copy.st_dev, copy.st_ino):
            task.fail(index, "remove the source", None, "it is the destination too")
        elif stat.S_IFMT(now.st_mode) != stat.S_IFMT(copy.st_mode) or (now.st_size, now.st_mtime_ns) != (
            size,
            mtime_ns,
        ):
            task.fail(index, "remove the source", None, "it has changed since it was read")
        else:
            await ops.unlinkat(task.src, name)
            task.items.append((index, int(kind_of(now)), REMOVED, b""))
    except OSError as error:
        task.fail(index, "remove the source", error)


async def finish_late(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """The end of the run has come for an entry that waited for it: put it in place, remove its source."""
    staged, size, mtime_ns = task.slice.stamps[index]
    if staged:
        assert context.placing is not None
        try:
            await context.placing.put_staged(ops, task, index)
        except UntrustedError as error:
            task.fail(index, "put in place", None, str(error))
            return
        except OSError as error:
            task.fail(index, "put in place", error)
            context.check_full(error)
            return
    task.done.add(index)
    if context.removing:
        await remove_source(context, ops, task, index, size, mtime_ns)
