"""Directories for files that are not in their place yet: --partial-dir, ``.~tmp~`` (--delay-updates), --temp-dir."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from arsync.config import DELAYED_DIR, CopyConfig, is_shared
from arsync.engine.held import operator_paths
from arsync.engine.output import Output, UntrustedError, put_in_place
from arsync.engine.task import Task
from arsync.fs.blocks import ReadError
from arsync.fs.copy import Copier
from arsync.fs.operator_path import OperatorPaths
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.temporary import open_temporary

#: When a part was modified, in nanoseconds.
PART_MTIME = 0


class Staging:
    """One run's staging directories; a task keeps its own open."""

    def __init__(self, config: CopyConfig, copier: Copier, uid: int) -> None:
        self._path = staging_path(config)
        self._paths = operator_paths(config)
        self._shared = is_shared(self._path)
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
            await ops.call(remove_staging, self._paths, task.dst, self._path)

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
        return await ops.call(open_staging, self._paths, task.dst, self._path, self._uid, make)

    async def bring_over(self, ops: FileOps, task: Task, name: bytes, src: int) -> Output:
        """Copy a complete file, open as ``src``, from --temp-dir to the destination's file system, still under a
        temporary name."""
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
        return copy


def open_staging(paths: OperatorPaths, dir_fd: int, path: bytes, uid: int, make: bool = False) -> int:
    """Open the staging directory at ``path`` from an open directory; ``make``: its last part, where that is missing.
    ``uid``: whose run this is. Raises OSError, UntrustedError."""
    name = path.rstrip(b"/")
    try:
        if b"/" in name and make:
            fd = paths.made_directory(path, dir_fd, 0o700, all_missing=False)
        elif b"/" in name:
            fd = paths.directory(path, dir_fd)
        else:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=dir_fd)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EXDEV):
            raise
        raise UntrustedError(f"{os.fsdecode(path)}: {error.strerror}") from error
    try:
        st = os.fstat(fd)
        if st.st_uid not in (uid, 0) or (st.st_mode & 0o022 and not st.st_mode & 0o1000):
            raise UntrustedError(f"others could change what is in {os.fsdecode(path)}")
        if os.path.samestat(st, os.fstat(dir_fd)):
            raise UntrustedError(f"{os.fsdecode(path)} is the file's own directory")
    except BaseException:
        os.close(fd)
        raise
    return fd


def remove_staging(paths: OperatorPaths, dir_fd: int, path: bytes) -> None:
    """Remove a staging directory if nothing is left in it, and it is there."""
    with suppress(OSError), _above(paths, dir_fd, path) as (above, name):  # it holds others, or another run's files
        os.rmdir(name, dir_fd=above)


@contextmanager
def _above(paths: OperatorPaths, dir_fd: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """The open directory that a staging directory is in, and its name there. What leads there is judged before
    anything is made or removed: it may lead through directories in which others can write."""
    above, _, name = path.rstrip(b"/").rpartition(b"/")
    if not above and not path.startswith(b"/"):
        yield dir_fd, name
        return
    fd = paths.held(above or b"/", dir_fd)
    try:
        yield fd, name
    finally:
        os.close(fd)


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
