"""Which symlinks of the source stand for what they point to: -L, -k, --copy-unsafe-links; and -K at the destination.

A symlink is followed only where an option asks for it. Whoever then opens it looks at what was opened, so that what
has become of it since its name was judged decides, and nothing else.
"""

from __future__ import annotations

import errno
import os
import stat

from arsync.config import CopyConfig
from arsync.engine.listing import Found
from arsync.engine.tree import Node
from arsync.engine.wire import FOLLOWED, OTHER
from arsync.events import TRANSFER, UNSAFE, Failure, Item, Kind
from arsync.fs.protocol import StatResult
from arsync.fs.symlinks import is_unsafe
from arsync.fs.syscalls import RESOLVE_BENEATH, openat2

#: Symlinks that lead to a directory from where a walk began, at the most: as the kernel counts them on one path.
MOST_SYMLINKS = 40


class LinkModes:
    """The judgement of one run's options."""

    def __init__(self, config: CopyConfig) -> None:
        self._all = config.copy_links
        self._unsafe = config.copy_unsafe_links
        self._directories = config.copy_dirlinks
        self.follow = self._all or self._unsafe or self._directories

    def stat(self, fd: int, name: bytes, path: bytes, notes: list[Item]) -> tuple[StatResult, bool]:
        """What a source argument is, and whether it is a symlink that was followed; ``path``: of the directory that it
        is in, below the top of the transfer. ``notes`` gets what is to be told of it. Raises OSError."""
        st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not self.follow or not stat.S_ISLNK(st.st_mode):
            return st, False
        if self._stands_for_referent(fd, name, path, notes):
            return os.stat(name, dir_fd=fd), True
        if self._directories and _leads_to_directory(fd, name):
            return os.stat(name, dir_fd=fd), True
        return st, False

    def follows_directory(self, fd: int, name: bytes, path: bytes) -> bool:
        """Whether the symlink ``name`` is followed where it leads to a directory; ``path`` is that of the directory
        that it would be, with a slash at its end."""
        if not self.follow:
            return False
        return self._directories or self._stands_for_referent(fd, name, os.path.dirname(path[:-1]), [])

    def resolve(self, fd: int, found: Found, path: bytes, notes: list[Item]) -> tuple[Found, dict[bytes, Failure]]:
        """The listing with each symlink that is followed in the place of its referent, and why some cannot be;
        ``path``: the directory's. ``notes`` gets what is to be told of those that are followed."""
        broken: dict[bytes, Failure] = {}
        if not self.follow or OTHER not in found.kinds:
            return found, broken
        files: list[tuple[bytes, int]] = []
        directories: list[bytes] = []
        for name, kind in zip(found.files, found.kinds):
            try:
                kind = self._kind(fd, name, kind, path, notes)
            except OSError as error:
                broken[name] = _no_referent(path + name, error)
            if kind == _DIRECTORY:
                directories.append(name)
            else:
                files.append((name, kind))
        directories = sorted([*found.directories, *directories], key=lambda name: name + b"/")
        return Found([name for name, _ in files], bytes(kind for _, kind in files), directories), broken

    def _kind(self, fd: int, name: bytes, kind: int, path: bytes, notes: list[Item]) -> int:
        if kind != OTHER or not stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            return kind
        if self._stands_for_referent(fd, name, path, notes):
            return _DIRECTORY if stat.S_ISDIR(os.stat(name, dir_fd=fd).st_mode) else FOLLOWED
        return _DIRECTORY if self._directories and _leads_to_directory(fd, name) else kind

    def _stands_for_referent(self, fd: int, name: bytes, directory: bytes, notes: list[Item]) -> bool:
        if self._all or not self._unsafe:
            return self._all
        target = os.readlink(name, dir_fd=fd)
        if not is_unsafe(target, directory):
            return False
        notes.append(Item(os.path.join(directory, name), Kind.SYMLINK, UNSAFE | TRANSFER, target))
        return True


#: errno values of a symlink behind which this user finds nothing.
_LEADS_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES})

#: An entry that is listed among the directories; never sent.
_DIRECTORY = -1


def without_broken(found: Found, broken: dict[bytes, Failure], failures: list[Failure]) -> Found:
    """The listing without symlinks that cannot be followed; those that no filter rule has left out are failures."""
    failures.extend(broken[name] for name in found.files if name in broken)
    files = [(name, kind) for name, kind in zip(found.files, found.kinds) if name not in broken]
    return Found([name for name, _ in files], bytes(kind for _, kind in files), found.directories)


def _leads_to_directory(fd: int, name: bytes) -> bool:
    """Raises OSError where the kernel cannot say: a symlink must not be replaced for that."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=fd).st_mode)
    except OSError as error:
        if error.errno not in _LEADS_NOWHERE:
            raise
        return False  # it stays a symlink


def _no_referent(path: bytes, error: OSError) -> Failure:
    if error.errno == errno.ENOENT:
        return Failure("follow", path, 0, "symlink has no referent")
    return Failure("follow symlink", path, error.errno or 0)


def open_kept(node: Node, parent: int, name: bytes, *, insecure: bool) -> int:
    """-K: open the directory that a symlink at the destination leads to; -1 where it leads to none.

    The risk is the one that ``man rsync`` names: whoever can put a symlink into the destination says with it which
    directory is written to. So it has to lead to a directory below the destination's top (``insecure``: anywhere);
    the kernel resolves it in one call. Raises OSError, EXDEV where it leads elsewhere.
    """
    if not _leads_to_directory(parent, name):
        return -1
    if insecure:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    top = node
    while top.parent is not None:
        top = top.parent
    assert top.dst is not None
    with top.dst.pinned() as fd:
        # The path of what an absolute argument names (-R) begins with a slash, which is the top here.
        return openat2(fd, node.path[:-1].lstrip(b"/"), os.O_RDONLY | os.O_DIRECTORY, 0, RESOLVE_BENEATH)
