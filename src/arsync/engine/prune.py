"""--prune-empty-dirs: looks ahead whether there is anything but directories below a directory of the source."""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from arsync.engine.filtering import chosen, read_nothing, reader
from arsync.engine.linkmodes import MOST_SYMLINKS, LinkModes, without_broken
from arsync.engine.listing import Found, list_directory
from arsync.events import Failure
from arsync.filters import Scope
from arsync.fs.operator_path import OperatorPaths

_FOLLOW = os.O_RDONLY | os.O_DIRECTORY
_OPEN = _FOLLOW | os.O_NOFOLLOW

#: What tells a directory from others: its path, device and inode. Symlinks may lead to it on many paths.
_Key = tuple[bytes, int, int]


class Ask(NamedTuple):
    """A directory that is asked about: ``name`` in an open directory, and what holds there."""

    dir_fd: int
    name: bytes
    path: bytes  # its own, with a slash at its end
    scope: Scope | None
    spare: Scope | None
    follows: int = 0  # symlinks that were followed on the way to it


class _Look:
    """A directory that is being looked into."""

    __slots__ = ("directories", "failures", "fd", "follows", "key", "scope", "spare")

    def __init__(self, fd: int, key: _Key, ask: Ask, follows: int, paths: OperatorPaths) -> None:
        self.fd = fd
        self.key = key
        self.scope = None if ask.scope is None else ask.scope.enter(ask.name, reader(fd, paths))
        self.spare = None if ask.spare is None else ask.spare.enter(ask.name, read_nothing)
        self.follows = follows
        self.directories: list[bytes] = []
        self.failures: list[Failure] = []

    def inner(self, name: bytes) -> Ask:
        """Ask about a directory in it."""
        return Ask(self.fd, name, self.key[0] + name + b"/", self.scope, self.spare, self.follows)


class Pruner:
    """Remembers what it saw until it is asked, so that each directory is looked into once."""

    def __init__(self, links: LinkModes, paths: OperatorPaths) -> None:
        self._links = links
        self._paths = paths
        #: None for a directory that bears, what could not be followed in it for one that does not
        self._known: dict[_Key, list[Failure] | None] = {}

    def bears(self, ask: Ask, failures: list[Failure], *, within: bool = False) -> bool:
        """Whether a directory is to be copied: something in it that its scope does not hide is no directory, or is one
        that ``spare`` protects. One that cannot be looked into is, so that the visit says why; ``failures`` gets what
        would not be said of one that is not visited.

        ``within``: directories on another device than the one that they are in are not looked into (-x).
        """
        stack: list[_Look] = []
        try:
            while True:
                below = self._begin(stack, ask, within)
                if below is None:
                    for look in stack[1:]:
                        self._known[look.key] = None
                    return True
                (stack[-1].failures if stack else failures).extend(below)
                while stack and not stack[-1].directories:
                    look = stack.pop()
                    os.close(look.fd)
                    if stack:
                        self._known[look.key] = look.failures
                    (stack[-1].failures if stack else failures).extend(look.failures)
                if not stack:
                    return False
                ask = stack[-1].inner(stack[-1].directories.pop())
        finally:
            for look in stack:
                os.close(look.fd)

    def _begin(self, stack: list[_Look], ask: Ask, within: bool) -> list[Failure] | None:
        """Look into one directory: None where that decides that it is copied. If not, it is put on the stack, unless
        it bears nothing; returns what could not be followed in one that is not put there."""
        if ask.spare is not None and ask.spare.excludes(ask.name, True):
            return None
        opened = -1
        try:
            opened, followed = self._open(ask)
            st = os.fstat(opened)
            key = (ask.path, st.st_dev, st.st_ino)
            if key in self._known:
                return self._known[key] if stack else self._known.pop(key)
            if within and st.st_dev != os.fstat(ask.dir_fd).st_dev:
                return []
            if ask.follows + followed > MOST_SYMLINKS:
                return [Failure("list directory", ask.path[:-1], errno.ELOOP)]
            look = _Look(opened, key, ask, ask.follows + followed, self._paths)
            stack.append(look)
            opened = -1  # the stack has it
            found = self._list(look)
        except OSError:
            return None
        finally:
            if opened != -1:
                os.close(opened)
        look.directories = found.directories
        return None if found.files else []

    def _open(self, ask: Ask) -> tuple[int, bool]:
        """Open a directory; returns also whether it is a symlink that is followed. Raises OSError."""
        if self._links.follow and self._is_followed(ask):
            return os.open(ask.name, _FOLLOW, dir_fd=ask.dir_fd), True
        return os.open(ask.name, _OPEN, dir_fd=ask.dir_fd), False

    def _is_followed(self, ask: Ask) -> bool:
        st = os.stat(ask.name, dir_fd=ask.dir_fd, follow_symlinks=False)
        return stat.S_ISLNK(st.st_mode) and self._links.follows_directory(ask.dir_fd, ask.name, ask.path)

    def _list(self, look: _Look) -> Found:
        found, broken = self._links.resolve(look.fd, list_directory(look.fd), look.key[0], [])
        found = chosen(found, look.scope)
        return without_broken(found, broken, look.failures) if broken else found
