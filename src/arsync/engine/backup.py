"""Backups (-b): what is replaced or deleted is kept under another name, beside it or in a directory of its own.

The old file gets its second name before the new one takes the first: at every moment one of them stands there. A file
system without hard links, another one, or a file that is overwritten (--inplace) makes it a copy.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress

from arsync.config import CopyConfig
from arsync.engine.held import operator_paths
from arsync.engine.place import OPEN_SOURCE
from arsync.fs import syscalls
from arsync.fs.copy import Copier, ReadError, WriteError
from arsync.fs.lanes import copy_large
from arsync.fs.metadata import MODE_BITS, AttributeSet, Change, Preserve, apply
from arsync.fs.plain import PlainOps, drive
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.temporary import is_just_made, open_temporary, temporary_name
from arsync.fs.xattr import Target, Wanted, path_of, read_attributes

#: errno values of what cannot be linked: it is copied.
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
#: PATH_MAX, but for the NUL at its end.
_LONGEST_PATH = 4095
_BENEATH = syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_BENEATH


class Backups:
    """Makes one run's backups. Its methods may run in threads, and in the parent: ``drive(backups.keep(PlainOps(),
    ...))``. ``top``: a descriptor of the destination's top."""

    def __init__(self, config: CopyConfig, preserve: Preserve, wanted: Wanted | None, top: int) -> None:
        self._suffix = config.suffix
        self._directory = config.backup_dir
        self._paths = operator_paths(config)
        self._top = top
        self._preserve = preserve
        self._wanted = wanted
        self._default_perms = 0o777 & ~preserve.who.umask
        self._root = -1
        self._lock = threading.Lock()
        self._copier = Copier(self._lanes, buffer_size=config.buffer_size)
        if config.verify:
            from arsync.fs.verify import VerifyingCopier

            self._copier = VerifyingCopier(self._lanes, choice=config.checksum_choice, buffer_size=config.buffer_size)
        self._buffer_size = config.buffer_size

    def close(self) -> None:
        """The run is over."""
        if self._root != -1:
            os.close(self._root)
            self._root = -1

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
        names then. Returns the backup's path. Raises OSError, ReadError, WriteError: the entry is as it was."""
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
            await self._copy(ops, dir_fd, name, target, name + self._suffix)
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
            await self._copy(ops, dir_fd, name, target, name + self._suffix)
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
        return dir_fd if self._directory is None else await ops.call(self._open_below, prefix)

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
            await self._copy(ops, dir_fd, name, target, new)

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

    async def _copy(self, ops: FileOps, dir_fd: int, name: bytes, target: int, new: bytes) -> None:
        """Copy the entry with all its metadata that this user can set."""
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
            await ops.symlinkat(await ops.call(_readlink, name, dir_fd), target, temporary)
        else:
            await ops.call(_mknod, temporary, st.st_mode, st.st_rdev, target)
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
        return await copy_large(ops, src, dst, start, length, self._buffer_size, lambda: False)

    def _open_below(self, prefix: bytes) -> int:
        """Open the directory for backups of entries of ``prefix``, made where it is missing; no symlink is followed
        below the backup directory itself."""
        with self._lock:
            if self._root == -1:
                self._root = self._open_root()
        fd = os.dup(self._root)
        done = b""
        for piece in _pieces(prefix.rstrip(b"/")):
            try:
                below = syscalls.openat2(fd, piece, _DIRECTORY, 0, _BENEATH)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOSYS):
                    os.close(fd)
                    raise
                for part in piece.split(b"/"):
                    fd = self._step(fd, part, done + part)
                    done += part + b"/"
            else:
                os.close(fd)
                fd = below
                done += piece + b"/"
        return fd

    def _open_root(self) -> int:
        """Open the backup directory, made with all that is missing on the way to it."""
        assert self._directory is not None
        return self._paths.made_directory(self._directory, self._top, self._default_perms)

    def _step(self, above: int, name: bytes, path: bytes) -> int:
        """Go down one directory, made where it is missing like the destination's ``path``; closes ``above``."""
        try:
            try:
                os.mkdir(name, 0o700, dir_fd=above)
                made = True
            except FileExistsError:
                made = False
            fd = os.open(name, _DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
        if made:
            try:
                self._dress_directory(fd, path)
            except BaseException:
                os.close(fd)
                raise
        return fd

    def _dress_directory(self, fd: int, path: bytes) -> None:
        """Give a new directory what the run would give it if the destination's were its source."""
        try:
            like = open_beneath(self._top, path)
        except OSError:
            return  # the destination's is gone: nobody but us is let in
        try:
            st = os.fstat(like)
            mode = st.st_mode & (MODE_BITS if self._preserve.perms else self._default_perms)
            if self._preserve.who.uid:
                mode |= 0o700  # more is to be made in it
            attributes = None
            ops = PlainOps()
            if self._wanted is not None:
                new = drive(read_attributes(ops, path_of(like), self._wanted))
                attributes = AttributeSet(new, drive(read_attributes(ops, path_of(fd), self._wanted)))
            drive(apply(ops, path_of(fd), Change(*self._preserve.owner_of(st), mode, None), attributes))
        finally:
            os.close(like)


def open_beneath(top: int, path: bytes) -> int:
    """Open a directory by its path below ``top``, following no symlink (O_PATH). Raises OSError."""
    fd = os.dup(top)
    for piece in _pieces(path):
        try:
            below = _open_piece(fd, piece)
        finally:
            os.close(fd)
        fd = below
    return fd


def _open_piece(top: int, path: bytes) -> int:
    try:
        return syscalls.openat2(top, path, _DIRECTORY, 0, _BENEATH)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
    fd = os.dup(top)
    for part in path.split(b"/"):
        try:
            below = os.open(part, _DIRECTORY, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    return fd


def _pieces(path: bytes) -> list[bytes]:
    """A path in pieces that the kernel takes each (PATH_MAX); none of an empty one."""
    pieces = []
    while len(path) > _LONGEST_PATH:
        cut = path.rindex(b"/", 0, _LONGEST_PATH)
        pieces.append(path[:cut])
        path = path[cut + 1 :]
    return [*pieces, path] if path else pieces


def _readlink(name: bytes, dir_fd: int) -> bytes:
    return os.readlink(name, dir_fd=dir_fd)


def _mknod(name: bytes, mode: int, device: int, dir_fd: int) -> None:
    os.mknod(name, stat.S_IFMT(mode), device, dir_fd=dir_fd)
