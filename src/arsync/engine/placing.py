"""How a complete file comes to its name where options ask for more than a rename: a backup of the old one, being on the
disk first (--fsync), waiting for the others (--delay-updates); and what becomes of one that was not completed."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable

from arsync.config import Append, CopyConfig
from arsync.engine.backup import Backups
from arsync.engine.output import DestinationChangedError, Output, put_in_place
from arsync.engine.place import OPEN_SOURCE
from arsync.engine.staging import PART_MTIME, Staging
from arsync.engine.task import Task
from arsync.events import BACKED_UP, Kind
from arsync.fs.blocks import StoppedError, WriteError, same_content
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.syscalls import FALLOC_FL_KEEP_SIZE

#: errno values of a file system that cannot allocate ahead.
_NO_FALLOCATE = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})

#: What sets the metadata of an output that the file was moved to.
Dress = Callable[[Output], Awaitable[object]]


class Placing:
    """One run's way of putting regular files in place; exists where one of its options was given."""

    def __init__(self, config: CopyConfig, backups: Backups | None, staging: Staging, stop: Callable[[], bool]) -> None:
        self._config = config
        self._backups = backups
        self._staging = staging
        self._stop = stop

    def close(self) -> None:
        """The run is over."""
        if self._backups is not None:
            self._backups.close()

    async def begin(
        self,
        ops: FileOps,
        task: Task,
        index: int,
        src: int,
        output: Output,
        st: StatResult,
        existing: StatResult | None,
    ) -> None:
        """Before anything is written: keep a copy of what is overwritten, find where to go on, allocate."""
        if output.mode == -1 and existing is not None:
            if self._backups is not None:
                name = task.dst_names[index]
                note_backup(task, index, await self._backups.keep_copy(ops, task.dst, task.slice.prefix, name))
            if self._config.append:
                output.start = await self._append_start(ops, task, index, src, existing)
        if self._config.preallocate and st.st_size > output.start:
            mode = 0 if self._config.sparse else FALLOC_FL_KEEP_SIZE  # -S makes holes in what the file holds
            try:
                await ops.fallocate(output.fd, mode, output.start, st.st_size - output.start)
            except OSError as error:
                if error.errno not in _NO_FALLOCATE:
                    raise WriteError(error.errno, error.strerror) from error

    async def _append_start(self, ops: FileOps, task: Task, index: int, src: int, existing: StatResult) -> int:
        """Where to go on with a file that is shorter than its source; 0 where it turns out to be no part of it."""
        if self._config.append is Append.VERIFY:
            dst = await ops.openat(task.dst, task.dst_names[index], OPEN_SOURCE)
            try:
                now = await ops.fstat(dst)
                if (now.st_dev, now.st_ino) != (existing.st_dev, existing.st_ino):
                    raise DestinationChangedError
                if not await same_content(ops, src, dst, existing.st_size, self._config.buffer_size, self._stop):
                    text = "the source does not begin with what it holds: it is copied whole"
                    task.fail(index, "append to", None, text, warning=True)
                    return 0
            finally:
                await ops.close(dst)
        return existing.st_size

    async def end(
        self, ops: FileOps, task: Task, index: int, output: Output, existing: StatResult | None, dress: Dress
    ) -> None:
        """Put the complete file in place, or where it waits for the end of the run."""
        name = task.dst_names[index]
        if self._config.fsync:
            await ops.fsync(output.fd)
        if self._config.delay_updates and output.mode != -1:
            await self._put(ops, task, await self._staging.open(ops, task, make=True), name, output, dress)
            task.staged.add(index)
            return
        if output.mode != -1 and (existing is not None or index in task.occupied):
            await self.keep_old(ops, task, index)
        await self._put(ops, task, task.dst, name, output, dress)
        if self._config.fsync:
            await fsync_directory(ops, task.dst)
        if self._config.partial_dir is not None:
            await self._staging.remove_part(ops, task, name)

    async def named(self, ops: FileOps, task: Task) -> None:
        """Something got its name that is no regular file, or one that stands elsewhere too: --fsync holds for that."""
        if self._config.fsync:
            await fsync_directory(ops, task.dst)

    async def _put(self, ops: FileOps, task: Task, directory: int, name: bytes, output: Output, dress: Dress) -> None:
        """Give the file its name in ``directory``, by way of a copy where --temp-dir is on another file system."""
        if output.mode == -1 or output.directory == directory or output.temporary is None:
            await put_in_place(ops, directory, name, output)
            return
        # What was written is held, and not looked up by its temporary name again.
        written = await ops.call(os.dup, output.fd)
        try:
            await put_in_place(ops, directory, name, output)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy = await self._staging.bring_over(ops, task, name, written)
        finally:
            await ops.close(written)
        try:
            await dress(copy)
            if self._config.fsync:
                await ops.fsync(copy.fd)
            await put_in_place(ops, directory, name, copy)
        finally:
            await copy.close(ops)

    async def keep_old(self, ops: FileOps, task: Task, index: int) -> None:
        """Keep what a rename is about to replace (-b), if anything is there."""
        if self._backups is not None:
            name = task.dst_names[index]
            try:
                await ops.lstat(task.dst, name)
            except FileNotFoundError:
                return
            note_backup(task, index, await self._backups.keep(ops, task.dst, task.slice.prefix, name))

    async def keep_deleted(self, ops: FileOps, task: Task, index: int) -> bool:
        """Move what is deleted to its backup's name (-b); False where that is not done. Raises OSError;
        FileNotFoundError only where the entry is gone."""
        name = task.slice.names[index]
        if self._backups is None or not self._backups.keeps_deleted(name):
            return False
        note_backup(task, index, await self._backups.move(ops, task.dst, task.slice.prefix, name))
        return True

    def foresee_backup(self, task: Task, index: int) -> None:
        """In a dry run: say what would be kept."""
        if self._backups is not None:
            note_backup(task, index, self._backups.shown(task.slice.prefix, task.dst_names[index]))

    async def put_staged(self, ops: FileOps, task: Task, index: int) -> None:
        """At the end of the run: put a file in place that waited for it."""
        name = task.dst_names[index]
        staging = await self._staging.open(ops, task, make=False)
        try:
            await self.keep_old(ops, task, index)
            await ops.renameat(staging, name, task.dst, name)
        except (OSError, StoppedError):
            if not self._config.partial:
                await ops.unlinkat(staging, name)
            raise
        if self._config.fsync:
            await fsync_directory(ops, task.dst)

    async def keep_part(
        self, ops: FileOps, task: Task, index: int, output: Output, existing: StatResult | None, dress: Dress
    ) -> None:
        """Keep what was copied of a file that was not completed (--partial). In --partial-dir it replaces an older
        part; without, it gets the file's name if nothing has that: an old file is worth more than a part of a new."""
        directory = self._config.partial_dir
        if not self._config.partial or output.mode == -1 or output.fd == -1:
            return
        if directory is None and not self._config.delay_updates and (existing is not None or index in task.occupied):
            return
        if not (await ops.fstat(output.fd)).st_size:
            return
        await dress(output)
        await ops.call(_as_of_old, output.fd)
        name = task.dst_names[index]
        if self._config.delay_updates:
            await put_in_place(ops, await self._staging.open(ops, task, make=True), name, output)
            return
        if directory is not None:
            await self._staging.keep_part(ops, task, name, output)
            return
        await put_in_place(ops, task.dst, name, output)


def note_backup(task: Task, index: int, backup: bytes) -> None:
    """Remember that a backup was made, to be shown."""
    task.items.append((index, int(Kind.FILE), BACKED_UP, backup))


def _as_of_old(fd: int) -> None:
    """Give a part the oldest time there is, so that the next run does not take it for the whole file, and knows that
    it is one."""
    os.utime(fd, ns=(PART_MTIME, PART_MTIME))


async def fsync_directory(ops: FileOps, dir_fd: int) -> None:
    """Bring names to the disk; a file system that has nothing to do for a directory says EINVAL."""
    try:
        await ops.fsync(dir_fd)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
