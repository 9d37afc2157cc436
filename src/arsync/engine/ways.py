"""The ways that arguments take to what they name: each directory on them is opened once, and held.

What lies between where an argument starts and its last component (-R) is opened component by component. A symlink on
the way is followed, as rsync does: it becomes a directory at the destination, so what was named arrives. The paths of a
list (--files-from) go through directories that the list only names: a symlink there is followed where root or this user
made it, and others where an option says that the source's symlinks are followed.
"""

from __future__ import annotations

import errno
import os

from arsync.config import CopyConfig
from arsync.engine.held import operator_paths
from arsync.fs.directory import DirectoryFd, DirectoryTable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


class Ways:
    """The directories that one run's arguments lead through. All methods raise OSError."""

    def __init__(self, config: CopyConfig, table: DirectoryTable, *, follow: bool) -> None:
        """``follow``: the source's symlinks are followed."""
        self._table = table
        self._confined = config.confine_root is not None
        self._bases: dict[bytes, DirectoryFd] = {}
        self._opened: dict[tuple[DirectoryFd, bytes], DirectoryFd] = {}
        #: how what a list names is looked up: others may have made the symlinks on the way (-L and -k mean them)
        judged = config.files_from is not None and not follow
        self._paths = operator_paths(config) if judged else None

    def base(self, path: bytes) -> DirectoryFd:
        """The directory at a path, where an argument starts."""
        base = self._bases.get(path)
        if base is None:
            base = self._bases[path] = DirectoryFd(self._table, _open(path, None), None, path)
        return base

    def open(self, parent: DirectoryFd, name: bytes) -> DirectoryFd:
        """The directory ``name`` in ``parent``, which may be a symlink to one."""
        directory = self.known(parent, name)
        if directory is not None:
            return directory
        with parent.pinned() as above:
            try:
                fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
                directory = DirectoryFd(self._table, fd, parent, name)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EACCES):
                    raise
                # A symlink, or a directory that can only be gone through: it is not opened a second time.
                directory = DirectoryFd(self._table, self._follow(name, above), None, name)
        self._opened[parent, name] = directory
        return directory

    def _follow(self, name: bytes, above: int) -> int:
        """Open what a symlink on the way leads to. On an argument's it is followed, whoever made it; what a list names
        is no more trusted than where it stands. Where it comes out is asked at the end of the way."""
        if self._paths is None:
            return _open(name, above)
        paths = self._paths._replace(confine_root=None)
        try:
            return paths.directory(name, above)
        except PermissionError:
            return paths.held(name, above)

    def known(self, parent: DirectoryFd, name: bytes) -> DirectoryFd | None:
        """The directory ``name`` in ``parent``, if it is held already."""
        return self._opened.get((parent, name))

    def check_inside(self, directory: DirectoryFd) -> None:
        """Raise OSError where what a list names would come from outside of --confine-root."""
        if self._paths is not None and self._confined:
            with directory.pinned() as fd:
                self._paths.check_inside(fd)

    def behind_slash(self, directory: DirectoryFd, name: bytes) -> DirectoryFd | None:
        """The directory that a symlink with a slash behind it leads to. Where there is none the slash means nothing, as
        for rsync. Raises OSError where it is not to be followed."""
        try:
            opened = self.open(directory, name)
        except OSError as error:
            if self._paths is not None and error.errno == errno.ELOOP:
                raise
            return None
        self.check_inside(opened)
        return opened


def _open(path: bytes, dir_fd: int | None) -> int:
    """Open a directory to look up names in it: reading it may not be allowed."""
    try:
        return os.open(path, _DIRECTORY, dir_fd=dir_fd)
    except PermissionError:
        return os.open(path, os.O_PATH | os.O_DIRECTORY, dir_fd=dir_fd)
