"""Directories that a person names for a run beside its sources: --link-dest, --backup-dir, --temp-dir and their like.

Such a path may lead through directories in which others can write. A symlink on it is therefore followed only where
root or this user made it: nobody else gets to say where a privileged copy reads from or writes to.
"""

from __future__ import annotations

import errno
import os
import stat

_HELD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: Symlinks on one path at the most, as for the kernel.
_MOST_SYMLINKS = 40


def open_operator_directory(
    path: bytes, base_fd: int, *, insecure_links: bool = False, confine_root: bytes | None = None
) -> int:
    """Open a directory for reading; ``path`` is absolute or relative to ``base_fd``. Returns a descriptor to close.

    Raises OSError: ELOOP where a symlink on the way belongs to neither root nor this user (``insecure_links`` follows
    it), EXDEV where the directory is not inside of the directory ``confine_root``, or what opening it says.
    """
    fd = os.open(path, _DIRECTORY, dir_fd=base_fd) if insecure_links else _walk(path, base_fd)
    try:
        if confine_root is not None and not _is_inside(fd, confine_root):
            raise OSError(errno.EXDEV, f'it leads out of "{os.fsdecode(confine_root)}" (--confine-root)')
    except BaseException:
        os.close(fd)
        raise
    return fd


def _walk(path: bytes, base_fd: int) -> int:
    """Open component by component: what is judged is what is held, so nothing can be swapped in between."""
    trusted = {0, os.geteuid()}
    symlinks = 0
    held = os.open(b"/" if path.startswith(b"/") else b".", _HELD, dir_fd=base_fd)
    parts = path.split(b"/")[::-1]
    try:
        while parts:
            if (part := parts.pop()) in (b"", b"."):
                continue
            above, held = held, os.open(part, _HELD, dir_fd=held)
            try:
                st = os.fstat(held)
                if not stat.S_ISLNK(st.st_mode):
                    continue
                symlinks += 1
                if st.st_uid not in trusted:
                    raise OSError(errno.ELOOP, "a symlink on the way belongs to another user (see --insecure-links)")
                if symlinks > _MOST_SYMLINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(b"", dir_fd=held)
                begin = os.open(b"/" if target.startswith(b"/") else b".", _HELD, dir_fd=above)
                os.close(held)
                held = begin
                parts += target.split(b"/")[::-1]
            finally:
                os.close(above)
        return os.open(b".", _DIRECTORY, dir_fd=held)
    finally:
        os.close(held)


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
