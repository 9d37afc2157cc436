"""Paths that a person names for a run beside its sources: --link-dest, --backup-dir, --exclude-from and their like.

Such a path may lead through directories in which others can write. A symlink on it is therefore followed only where
root or this user made it: nobody else gets to say where a privileged copy reads from or writes to.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import NamedTuple

_HELD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: Stands for the current directory.
HERE = -1

#: Symlinks on one path at the most, as for the kernel.
_MOST_SYMLINKS = 40


class OperatorPaths(NamedTuple):
    """How one run treats such paths. All methods raise OSError: ELOOP where a symlink on the way belongs to neither
    root nor this user (``insecure_links`` follows it), EXDEV where a path leads out of the directory ``confine_root``,
    or what opening it says."""

    insecure_links: bool = False
    confine_root: bytes | None = None

    def directory(self, path: bytes, base_fd: int) -> int:
        """Open a directory for reading; ``path`` is absolute or relative to ``base_fd``. Returns a descriptor."""
        fd = os.open(path, _DIRECTORY, dir_fd=_at(base_fd)) if self.insecure_links else _walk(path, base_fd)
        return self._confined(fd)

    def held(self, path: bytes, base_fd: int) -> int:
        """The same, for using names in it only: it need not be readable."""
        flags = _HELD & ~os.O_NOFOLLOW | os.O_DIRECTORY
        fd = os.open(path, flags, dir_fd=_at(base_fd)) if self.insecure_links else _walk(path, base_fd, flags)
        return self._confined(fd)

    def made_directory(self, path: bytes, base_fd: int, mode: int, *, all_missing: bool = True) -> int:
        """The same as :meth:`directory`, made with all that is missing on the way to it, or else with no more than
        its last component."""
        try:
            return self.directory(path, base_fd)
        except FileNotFoundError:
            parent, name = os.path.split(path.rstrip(b"/"))
            if not name or name in (b".", b".."):
                raise
        if all_missing:
            above = self.made_directory(parent or b".", base_fd, mode)
        else:
            above = self.held(parent or b".", base_fd)
        try:
            with suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=above)
            return self.directory(name, above)
        finally:
            os.close(above)

    def file(self, path: bytes, flags: int, mode: int = 0, *, base_fd: int = HERE) -> int:
        """Open a file; ``flags`` and ``mode`` as for open(2)."""
        if self.insecure_links:
            return os.open(path, flags | os.O_CLOEXEC, mode, dir_fd=_at(base_fd))
        above, name = _walk_to_last(path, base_fd)
        try:
            self.check_inside(above)
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=above)
        finally:
            os.close(above)

    def check_inside(self, fd: int) -> None:
        """Raise EXDEV where an open directory is not inside of ``confine_root``."""
        if self.confine_root is not None and not _is_inside(fd, self.confine_root):
            raise self._leads_out()

    def _confined(self, fd: int) -> int:
        try:
            self.check_inside(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _leads_out(self) -> OSError:
        assert self.confine_root is not None
        return OSError(errno.EXDEV, f'it leads out of "{os.fsdecode(self.confine_root)}" (--confine-root)')


def _walk(path: bytes, base_fd: int, flags: int = _DIRECTORY) -> int:
    """Open a directory component by component: what is judged is what is held, so nothing can be swapped in between."""
    above, name = _walk_to_last(path, base_fd)
    try:
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=above)
    finally:
        os.close(above)


def _walk_to_last(path: bytes, base_fd: int) -> tuple[int, bytes]:
    """Go to the directory that the path's last component is in, which is no symlink when this returns; it need not
    exist. Returns a descriptor and the component's name."""
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    trusted = {0, os.geteuid()}
    symlinks = 0
    held = _begin(path, base_fd)
    parts = [part for part in path.split(b"/")[::-1] if part not in (b"", b".")]
    try:
        while parts:
            part = parts.pop()
            try:
                found = os.open(part, _HELD, dir_fd=held)
            except FileNotFoundError:
                if parts:
                    raise
                return os.dup(held), part
            try:
                st = os.fstat(found)
                if stat.S_ISLNK(st.st_mode):
                    symlinks += 1
                    _judge(st, trusted, symlinks)
                    target = os.readlink(b"", dir_fd=found)
                    above, held = held, _begin(target, held)
                    os.close(above)
                    parts += [part for part in target.split(b"/")[::-1] if part not in (b"", b".")]
                elif parts:
                    above, held = held, os.dup(found)
                    os.close(above)
                else:
                    return os.dup(held), part
            finally:
                os.close(found)
        return os.dup(held), b"."
    finally:
        os.close(held)


def _begin(path: bytes, base_fd: int) -> int:
    return os.open(b"/" if path.startswith(b"/") else b".", _HELD, dir_fd=_at(base_fd))


def _at(base_fd: int) -> int | None:
    return None if base_fd == HERE else base_fd


def _judge(st: os.stat_result, trusted: set[int], symlinks: int) -> None:
    if st.st_uid not in trusted:
        raise OSError(errno.ELOOP, "a symlink on the way belongs to another user (see --insecure-links)")
    if symlinks > _MOST_SYMLINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_inside(fd: int, root: bytes) -> bool:
    """Whether an open directory is ``root`` or below it, by going up from it."""
    wanted = os.stat(root)
    held = os.dup(fd)
    try:
        while True:
            st = os.fstat(held)
            if os.path.samestat(st, wanted):
                return True
            above = os.open(b"..", _DIRECTORY | os.O_PATH, dir_fd=held)
            held, below = above, held
            os.close(below)
            if os.path.samestat(st, os.fstat(held)):
                return False
    finally:
        os.close(held)
