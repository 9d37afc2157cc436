"""Directories for files that are not in their place yet: --partial-dir, ``.~tmp~`` (--delay-updates), --temp-dir."""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress

from arsync.config import DELAYED_DIR, CopyConfig, is_shared
from arsync.engine.held import operator_paths
from arsync.engine.output import Output, UntrustedError, put_in_place
from arsync.engine.place import OPEN_SOURCE
from arsync.engine.task import Task
from arsync.fs.copy import Copier, ReadError
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.syscalls import AT_REMOVEDIR
from arsync.fs.temporary import open_temporary

#: When a part was modified, in nanoseconds.
PART_MTIME = 0


class Staging:
    """One run's staging directories; a task keeps its own open."""

    def __init__(self, config: CopyConfig, copier: Copier, uid: int) -> None:
        self._path = staging_path(config)
        self._paths = operator_paths(config)
        self._shared = is_shared(self._path)
        self._leads_on = b"/" in self._path.rstrip(b"/")
        self._copier = copier
        self._uid = uid
        self._lock = threading.Lock()

    async def open(self, ops: FileOps, task: Task, *, make: bool) -> int:
        """The staging directory for files of the task's directory that wait for the end of the run; the task closes it.

        Raises OSError, UntrustedError.
        """
        if task.staging == -1:
            fd = await self._open_anew(ops, task, make)
            with self._lock:
                task.staging, spare = (fd, -1) if task.staging == -1 else (task.staging, fd)
            if spare != -1:
                await ops.close(spare)  # another file of this directory was faster
        return task.staging

    async def keep_part(self, ops: FileOps, task: Task, name: bytes, output: Output) -> None:
        """Put the part of a file into the staging directory. Raises OSError, UntrustedError."""
        fd = await self._open_anew(ops, task, True)
        try:
            if await self._holds_another(ops, fd, name):
                raise UntrustedError(f"a file of this name is in {os.fsdecode(self._path)}, and is no part of one")
            await put_in_place(ops, fd, name, output)
        finally:
            await ops.close(fd)

    async def remove_part(self, ops: FileOps, task: Task, name: bytes) -> None:
        """Remove the part of a file that was now copied whole, and the directory where it was the last one."""
        try:
            fd = await self._open_anew(ops, task, False)
        except (FileNotFoundError, NotADirectoryError, UntrustedError):
            return  # there is none, or none of ours
        try:
            if await self._holds_another(ops, fd, name):
                return
            await ops.unlinkat(fd, name)
        except FileNotFoundError:
            return
        finally:
            await ops.close(fd)
        if not self._shared:
            with suppress(OSError):  # it holds others
                if self._leads_on:
                    await ops.call(self._remove_given, task.dst)
                else:
                    await ops.unlinkat(task.dst, self._path.rstrip(b"/"), AT_REMOVEDIR)

    def _remove_given(self, dir_fd: int) -> None:
        parent, name = os.path.split(self._path.rstrip(b"/"))
        above = self._paths.held(parent, dir_fd)
        try:
            os.rmdir(name, dir_fd=above)
        finally:
            os.close(above)

    async def _holds_another(self, ops: FileOps, fd: int, name: bytes) -> bool:
        """Whether something that is no part has this name in the open staging directory: one that is in each directory
        of the destination is no place for anything else, but any other may be."""
        if not self._shared:
            return False
        try:
            st = await ops.lstat(fd, name)
        except FileNotFoundError:
            return False
        return not stat.S_ISREG(st.st_mode) or st.st_mtime_ns != PART_MTIME

    async def _open_anew(self, ops: FileOps, task: Task, make: bool) -> int:
        """Open the directory; of what is missing only its last part is made."""
        if make and not self._leads_on:
            with suppress(FileExistsError):
                await ops.mkdirat(task.dst, self._path.rstrip(b"/"), 0o700)
        return await ops.call(self._open, task.dst, make)

    def _open(self, dir_fd: int, make: bool) -> int:
        if self._leads_on:
            fd = self._open_given(dir_fd, make)
        else:
            fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
        try:
            st = os.fstat(fd)
            if st.st_uid not in (self._uid, 0) or (st.st_mode & 0o022 and not st.st_mode & 0o1000):
                raise UntrustedError(f"others could change what is in {os.fsdecode(self._path)}")
            if os.path.samestat(st, os.fstat(dir_fd)):
                raise UntrustedError(f"{os.fsdecode(self._path)} is the file's own directory")
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _open_given(self, dir_fd: int, make: bool) -> int:
        """The same of a path, whose way is judged before anything is made at its end."""
        try:
            if make:
                return self._paths.made_directory(self._path, dir_fd, 0o700, all_missing=False)
            return self._paths.directory(self._path, dir_fd)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EXDEV):
                raise
            raise UntrustedError(f"{os.fsdecode(self._path)}: {error.strerror}") from error

    async def bring_over(self, ops: FileOps, task: Task, name: bytes, output: Output) -> Output:
        """Copy a complete file from --temp-dir to the destination's file system, still under a temporary name."""
        assert output.temporary is not None
        src = await ops.openat(output.directory, output.temporary, OPEN_SOURCE)
        try:
            st = await ops.fstat(src)
            fd, temporary = await open_temporary(ops, task.dst, name, 0o600)
            copy = Output(fd, 0o600, temporary, task.dst)
            try:
                # What follows takes it to be owned as what was made in --temp-dir.
                await ops.call(_same_owner, fd, st)
                if await self._copier.copy(ops, src, fd, st, (await ops.fstat(fd)).st_dev) < st.st_size:
                    raise ReadError(errno.EIO, "the temporary file shrank")
            except BaseException:
                await copy.close(ops)
                raise
        finally:
            await ops.close(src)
        return copy


def _same_owner(fd: int, st: StatResult) -> None:
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) != (st.st_uid, st.st_gid):
        with suppress(PermissionError):
            os.fchown(fd, st.st_uid, st.st_gid)


def staging_path(config: CopyConfig) -> bytes:
    """Where parts are kept, or complete files until the end of the run. Files of many directories would meet in a
    shared one, so those that wait stay in their own."""
    if config.partial_dir is not None and not (config.delay_updates and is_shared(config.partial_dir)):
        return config.partial_dir
    return DELAYED_DIR
