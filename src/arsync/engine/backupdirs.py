"""Directories for backups (--backup-dir): each is made like the destination's of the same path, when it is needed."""

from __future__ import annotations

import errno
import os
import threading

from arsync.config import CopyConfig
from arsync.engine.held import operator_paths
from arsync.fs import syscalls
from arsync.fs.apply import apply
from arsync.fs.metadata import MODE_BITS, AttributeSet, Change, Preserve
from arsync.fs.plain import PlainOps, drive
from arsync.fs.xattr import Wanted, path_of, read_attributes

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
#: PATH_MAX, but for the NUL at its end.
_LONGEST_PATH = 4095
_BENEATH = syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_BENEATH


class BackupDirectories:
    """One run's directories for backups, below the one that the option names. Its methods may run in threads. ``top``:
    a descriptor of the destination's top."""

    def __init__(self, config: CopyConfig, preserve: Preserve, wanted: Wanted | None, top: int) -> None:
        self._directory = config.backup_dir
        self._paths = operator_paths(config)
        self._top = top
        self._preserve = preserve
        self._wanted = wanted
        self._default_perms = 0o777 & ~preserve.who.umask
        self._root = -1
        self._lock = threading.Lock()

    def close(self) -> None:
        """The run is over."""
        if self._root != -1:
            os.close(self._root)
            self._root = -1

    def open(self, prefix: bytes) -> int:
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
            like = _open_beneath(self._top, path)
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


def _open_beneath(top: int, path: bytes) -> int:
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
