"""``--delete-missing-args``: what a source argument names that does not exist is deleted at the destination."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from arsync.config import CopyConfig, DeleteWhen
from arsync.events import DELETED, KEPT, Failure, Item, Kind
from arsync.fs.directory import DirectoryFd

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class MissingDeleter:
    """Deletes single entries of the destination, relative to held directories; no symlink is followed. A directory with
    something in it goes only with --force or --delete."""

    def __init__(self, config: CopyConfig) -> None:
        self._dry_run = config.dry_run
        self._whole = config.force or config.delete is not DeleteWhen.NEVER
        self._items: list[Item] = []

    def delete(self, directory: DirectoryFd, names: Iterable[bytes], prefix: bytes) -> tuple[list[Item], list[Failure]]:
        """Delete ``names`` in a directory; returns what to show. ``prefix``: the directory's path and a slash."""
        return self._delete_all(directory, [(name,) for name in names], prefix)

    def delete_lost(self, top: DirectoryFd, paths: Iterable[tuple[bytes, ...]]) -> tuple[list[Item], list[Failure]]:
        """Delete what stands at paths below the top, whose directories are opened component by component."""
        return self._delete_all(top, paths, b"")

    def _delete_all(
        self, directory: DirectoryFd, paths: Iterable[tuple[bytes, ...]], prefix: bytes
    ) -> tuple[list[Item], list[Failure]]:
        failures = []
        for parts in sorted(set(paths)):
            path = prefix + b"/".join(parts)
            try:
                self._delete(directory, parts, path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # what is not there need not be deleted
            except OSError as error:
                failures.append(Failure("delete", path, error.errno or 0))
        items, self._items = self._items, []
        return items, failures

    def _delete(self, directory: DirectoryFd, parts: tuple[bytes, ...], path: bytes) -> None:
        with directory.pinned() as fd:
            above = os.dup(fd)
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
            self._items.append(Item(path, Kind.FILE, DELETED))
        elif self._whole:
            self._delete_tree(above, name, path)
        elif _is_empty(above, name):
            if not self._dry_run:
                os.rmdir(name, dir_fd=above)
            self._items.append(Item(path, Kind.DIRECTORY, DELETED))
        else:
            self._items.append(Item(path, Kind.DIRECTORY, KEPT))

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
        self._items.append(Item(path, Kind.DIRECTORY, DELETED))


def _is_empty(above: int, name: bytes) -> bool:
    fd = os.open(name, _OPEN, dir_fd=above)
    try:
        with os.scandir(fd) as entries:
            return next(entries, None) is None
    finally:
        os.close(fd)
