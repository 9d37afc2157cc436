"""Backups that are copies: of an entry that cannot be linked to its backup, or that is going to be overwritten."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from arsync.config import CopyConfig
from arsync.engine.place import OPEN_SOURCE
from arsync.fs.apply import apply
from arsync.fs.blocks import ReadError, WriteError
from arsync.fs.copy import WATCHED_STEP, Copier
from arsync.fs.entries import mknodat, readlinkat
from arsync.fs.lanes import copy_large
from arsync.fs.metadata import MODE_BITS, AttributeSet, Change, Preserve
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.temporary import is_just_made, open_temporary, temporary_name
from arsync.fs.xattr import Target, Wanted, path_of, read_attributes


class BackupCopier:
    """Copies one run's entries to their backups. ``stop`` is asked between blocks, as for a :class:`Copier`."""

    def __init__(self, config: CopyConfig, preserve: Preserve, wanted: Wanted | None, stop: Callable[[], bool]) -> None:
        self._preserve = preserve
        self._wanted = wanted
        self._buffer_size = config.buffer_size
        self._stop = stop
        how: dict[str, Any] = {
            "buffer_size": config.buffer_size,
            "stop": stop,
            "step": WATCHED_STEP if config.timeout else 0,
        }
        self._copier = Copier(self._lanes, **how)
        if config.verify:
            from arsync.fs.verify import VerifyingCopier

            self._copier = VerifyingCopier(self._lanes, choice=config.checksum_choice, **how)

    async def copy(self, ops: FileOps, dir_fd: int, name: bytes, target: int, new: bytes) -> None:
        """Copy the entry (no directory) ``name`` of ``dir_fd`` to ``new`` in ``target``, with all its metadata that
        this user can set. Raises OSError, ReadError, WriteError, StoppedError: what stood under ``new`` is as
        it was."""
        st = await ops.lstat(dir_fd, name)
        if stat.S_ISREG(st.st_mode):
            temporary = await self._copy_file(ops, dir_fd, name, target, new)
        else:
            temporary = await self._make_like(ops, dir_fd, name, st, target, new)
        try:
            await ops.renameat(target, temporary, target, new)
        except BaseException:
            await ops.unlinkat(target, temporary)
            raise

    async def _make_like(
        self, ops: FileOps, dir_fd: int, name: bytes, st: StatResult, target: int, new: bytes
    ) -> bytes:
        """Make another one of what is no regular file; returns its temporary name."""
        temporary = temporary_name(new)
        if stat.S_ISLNK(st.st_mode):
            await ops.symlinkat(await readlinkat(ops, dir_fd, name), target, temporary)
        else:
            await mknodat(ops, target, temporary, stat.S_IFMT(st.st_mode), st.st_rdev)
        ours = True
        try:
            held = await ops.openat(target, temporary, os.O_PATH | os.O_NOFOLLOW)
            try:
                if not (ours := is_just_made(await ops.fstat(held), st)):
                    raise WriteError(errno.ESTALE, "something else took the place of its backup")
                await self._dress(ops, path_of(held), st, None)
            finally:
                await ops.close(held)
        except BaseException:
            if ours:
                await ops.unlinkat(target, temporary)
            raise
        return temporary

    async def _copy_file(self, ops: FileOps, dir_fd: int, name: bytes, target: int, new: bytes) -> bytes:
        """Copy a regular file; returns its temporary name."""
        src = await ops.openat(dir_fd, name, OPEN_SOURCE)
        temporary = b""
        try:
            try:
                st = await ops.fstat(src)
                if not stat.S_ISREG(st.st_mode):
                    raise ReadError(errno.ESTALE, "something else took its place")
                dst, temporary = await open_temporary(ops, target, new, 0o600)
                try:
                    device = (await ops.fstat(dst)).st_dev
                    if await self._copier.copy(ops, src, dst, st, device) < st.st_size:
                        raise ReadError(errno.EIO, "it shrank while its backup was made")
                    await self._dress(ops, dst, st, src)
                finally:
                    await ops.close(dst)  # which may say that something was not written
            finally:
                await ops.close(src)
        except BaseException:
            if temporary:
                await ops.unlinkat(target, temporary)
            raise
        return temporary

    async def _dress(self, ops: FileOps, target: Target, st: StatResult, source: int | None) -> None:
        """Set a copy's metadata; what cannot be set does not make the backup worthless."""
        root = self._preserve.who.uid == 0
        gid = st.st_gid if root or st.st_gid in self._preserve.who.groups else -1
        mode = -1 if stat.S_ISLNK(st.st_mode) else st.st_mode & MODE_BITS
        if not root and st.st_uid != self._preserve.who.uid and mode > 0:
            mode &= 0o1777  # set-id bits were somebody else's to give
        attributes = None
        if self._wanted is not None and source is not None:
            new = await read_attributes(ops, source, self._wanted)
            attributes = AttributeSet(new, await read_attributes(ops, target, self._wanted))
        await apply(ops, target, Change(st.st_uid if root else -1, gid, mode, st.st_mtime_ns), attributes)

    async def _lanes(self, ops: FileOps, src: int, dst: int, start: int, length: int) -> int:
        return await copy_large(ops, src, dst, start, length, self._buffer_size, self._stop)
