"""``--delete-missing-args``: what a source argument names that does not exist is deleted at the destination."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable

from arsync.config import CopyConfig, DeleteWhen
from arsync.events import DELETED, KEPT, Failure, Item, Kind
from arsync.fs.directory import DirectoryFd

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class MissingDeleter:
    """Deletes entries of the destination by their paths below its top, component by component; no symlink is
    followed. A directory with something in it goes only with --force or --delete."""

    def __init__(self, config: CopyConfig, top: DirectoryFd) -> None:
        self._dry_run = config.dry_run
        self._whole = config.force or config.delete is not DeleteWhen.NEVER
        self._top = top
        self.items: list[Item] = []
        self.failures: list[Failure] = []

    def delete(self, paths: Iterable[tuple[bytes, ...]]) -> None:
        """Delete what stands at each path; ``items`` and ``failures`` say what became of it."""
        for parts in sorted(set(paths)):
            path = b"/".join(parts)
            try:
                self._delete(parts, path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # what is not there need not be deleted
            except OSError as error:
                if error.errno != errno.ELOOP:
                    self.failures.append(Failure("delete", path, error.errno or 0))

    def _delete(self, parts: tuple[bytes, ...], path: bytes) -> None:
        with self._top.pinned() as top:
            above = os.dup(top)
        try:
            for part in parts[:-1]:
                inner = os.open(part, _OPEN, dir_fd=above)
                os.close(above)
                above = inner
            self._delete_entry(above, parts[-1], path)
        finally:
            os.close(above)

    def _delete_entry(self, above: int, name: bytes, path: bytes) -> None:
        st = os.stat(name, dir_fd=above, follow_symlinks=False)
        if not stat.S_ISDIR(st.st_mode):
            if not self._dry_run:
                os.unlink(name, dir_fd=above)
            self.items.append(Item(path, Kind.FILE, DELETED))
        elif self._whole:
            self._delete_tree(above, name, path)
        elif _is_empty(above, name):
            if not self._dry_run:
                os.rmdir(name, dir_fd=above)
            self.items.append(Item(path, Kind.DIRECTORY, DELETED))
        else:
            self.items.append(Item(path, Kind.DIRECTORY, KEPT))

    def _delete_tree(self, above: int, name: bytes, path: bytes) -> None:
        """Delete a directory with all that is in it, which comes first."""
        fd = os.open(name, _OPEN, dir_fd=above)
        try:
            for entry in sorted(os.listdir(fd)):
                self._delete_entry(fd, os.fsencode(entry), path + b"/" + os.fsencode(entry))
        finally:
            os.close(fd)
        if not self._dry_run:
            os.rmdir(name, dir_fd=above)
        self.items.append(Item(path, Kind.DIRECTORY, DELETED))


def _is_empty(above: int, name: bytes) -> bool:
    fd = os.open(name, _OPEN, dir_fd=above)
    try:
        with os.scandir(fd) as entries:
            return next(entries, None) is None
    finally:
        os.close(fd)
