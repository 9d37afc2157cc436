"""Backups (-b): what is replaced or deleted is kept under another name, beside it or in a directory of its own.

The old file gets its second name before the new one takes the first: at every moment one of them stands there. A file
system without hard links, another one, or a file that is overwritten (--inplace) makes it a copy.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress

from arsync.config import CopyConfig
from arsync.engine.backupcopy import BackupCopier
from arsync.engine.backupdirs import BackupDirectories
from arsync.fs.blocks import WriteError
from arsync.fs.metadata import Preserve
from arsync.fs.protocol import FileOps
from arsync.fs.temporary import temporary_name
from arsync.fs.xattr import Wanted

#: errno values of what cannot be linked: it is copied.
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


class Backups:
    """Makes one run's backups. Its methods may run in threads, and in the parent: ``drive(backups.keep(PlainOps(),
    ...))``. ``top``: a descriptor of the destination's top. ``stop``: as for :class:`BackupCopier`."""

    def __init__(
        self, config: CopyConfig, preserve: Preserve, wanted: Wanted | None, top: int, stop: Callable[[], bool]
    ) -> None:
        self._suffix = config.suffix
        self._directory = config.backup_dir
        self._directories = BackupDirectories(config, preserve, wanted, top)
        self._copier = BackupCopier(config, preserve, wanted, stop)

    def close(self) -> None:
        """The run is over."""
        self._directories.close()

    def shown(self, prefix: bytes, name: bytes) -> bytes:
        """The backup's path as people know it. ``prefix``: the entry's directory, with a slash, or empty."""
        before = b"" if self._directory is None else self._directory.rstrip(b"/") + b"/"
        return before + prefix + name + self._suffix

    def keeps_deleted(self, name: bytes) -> bool:
        """Whether an entry is kept when it is deleted: what is itself a backup is not, unless backups have their own
        directory."""
        return self._directory is not None or not name.endswith(self._suffix) or name == self._suffix

    async def keep(self, ops: FileOps, dir_fd: int, prefix: bytes, name: bytes) -> bytes:
        """Keep the entry (no directory) ``name`` of ``dir_fd`` before it is replaced by a rename: it stands under both
        names then. Returns the backup's path. Raises OSError, ReadError, WriteError, StoppedError: the entry
        is as it was."""
        target = await self._open(ops, dir_fd, prefix)
        try:
            await self._link(ops, dir_fd, name, target, name + self._suffix)
        finally:
            await self._close(ops, target)
        return self.shown(prefix, name)

    async def keep_copy(self, ops: FileOps, dir_fd: int, prefix: bytes, name: bytes) -> bytes:
        """The same before it is overwritten: the backup is a file of its own."""
        target = await self._open(ops, dir_fd, prefix)
        try:
            await self._copier.copy(ops, dir_fd, name, target, name + self._suffix)
        finally:
            await self._close(ops, target)
        return self.shown(prefix, name)

    async def move(self, ops: FileOps, dir_fd: int, prefix: bytes, name: bytes) -> bytes:
        """The same instead of deleting it: afterwards it stands under the backup's name only. Raises FileNotFoundError
        only where the entry is gone."""
        try:
            target = await self._open(ops, dir_fd, prefix)
        except FileNotFoundError as error:
            raise WriteError(error.errno, "the directory for its backup cannot be made") from error
        try:
            await ops.renameat(dir_fd, name, target, name + self._suffix)
            await self._leave(ops, dir_fd, name, target, name + self._suffix)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            await self._copier.copy(ops, dir_fd, name, target, name + self._suffix)
            await ops.unlinkat(dir_fd, name)
        finally:
            await self._close(ops, target)
        return self.shown(prefix, name)

    async def _leave(self, ops: FileOps, dir_fd: int, name: bytes, target: int, new: bytes) -> None:
        """Remove a name that a rename has left: it does nothing where both are names of the same file, as after a run
        that was killed when it had linked the backup."""
        try:
            left, kept = await ops.lstat(dir_fd, name), await ops.lstat(target, new)
        except FileNotFoundError:
            return
        if (left.st_dev, left.st_ino) == (kept.st_dev, kept.st_ino):
            await ops.unlinkat(dir_fd, name)

    async def _open(self, ops: FileOps, dir_fd: int, prefix: bytes) -> int:
        return dir_fd if self._directory is None else await ops.call(self._directories.open, prefix)

    async def _close(self, ops: FileOps, target: int) -> None:
        if self._directory is not None:
            await ops.close(target)

    async def _link(self, ops: FileOps, dir_fd: int, name: bytes, target: int, new: bytes) -> None:
        try:
            try:
                await ops.linkat(dir_fd, name, target, new)
            except FileExistsError:
                await self._replace_link(ops, dir_fd, name, target, new)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            await self._copier.copy(ops, dir_fd, name, target, new)

    async def _replace_link(self, ops: FileOps, dir_fd: int, name: bytes, target: int, new: bytes) -> None:
        """Link the entry over an older backup."""
        temporary = temporary_name(new)
        await ops.linkat(dir_fd, name, target, temporary)
        try:
            await ops.renameat(target, temporary, target, new)
        finally:
            # It is still there where the rename failed, or had nothing to do: both are names of the same file.
            with suppress(FileNotFoundError):
                await ops.unlinkat(target, temporary)
