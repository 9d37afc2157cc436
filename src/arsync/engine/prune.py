"""--prune-empty-dirs: looks ahead whether there is anything but directories below a directory of the source."""

from __future__ import annotations

import os

from arsync.engine.filtering import chosen, read_nothing, reader
from arsync.engine.listing import list_directory
from arsync.filters import Scope

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class _Look:
    """A directory that is being looked into."""

    __slots__ = ("directories", "fd", "key", "scope", "spare")

    def __init__(self, fd: int, key: tuple[int, int], scope: Scope | None, spare: Scope | None) -> None:
        self.fd = fd
        self.key = key
        self.scope = scope
        self.spare = spare
        self.directories: list[bytes] = []


class Pruner:
    """Remembers what it saw until it is asked, so that each directory is looked into once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}

    def bears(
        self, dir_fd: int, name: bytes, scope: Scope | None, spare: Scope | None, *, within: bool = False
    ) -> bool:
        """Whether a directory is to be copied: something in it that ``scope`` does not hide is no directory, or is one
        that ``spare`` protects. One that cannot be looked into is, so that the visit says why.

        ``within``: directories on another device than the one that they are in are not looked into (-x).
        """
        stack: list[_Look] = []
        try:
            while True:
                verdict = self._begin(stack, dir_fd, name, scope, spare, within)
                if verdict:
                    for look in stack[1:]:
                        self._known[look.key] = True
                    return True
                while stack and not stack[-1].directories:
                    look = stack.pop()
                    os.close(look.fd)
                    if stack:
                        self._known[look.key] = False
                if not stack:
                    return False
                look = stack[-1]
                dir_fd, name, scope, spare = look.fd, look.directories.pop(), look.scope, look.spare
        finally:
            for look in stack:
                os.close(look.fd)

    def _begin(
        self,
        stack: list[_Look],
        dir_fd: int,
        name: bytes,
        scope: Scope | None,
        spare: Scope | None,
        within: bool,
    ) -> bool:
        """Look into one directory: whether that already decides. If not, it is put on the stack."""
        if spare is not None and spare.excludes(name, True):
            return True
        try:
            fd = os.open(name, _OPEN, dir_fd=dir_fd)
        except OSError:
            return True
        st = os.fstat(fd)
        key = (st.st_dev, st.st_ino)
        known = self._known.pop(key, None) if not stack else self._known.get(key)
        if known is not None or (within and st.st_dev != os.fstat(dir_fd).st_dev):
            os.close(fd)
            return bool(known)
        look = _Look(
            fd,
            key,
            None if scope is None else scope.enter(name, reader(fd)),
            None if spare is None else spare.enter(name, read_nothing),
        )
        stack.append(look)
        try:
            found = chosen(list_directory(fd), look.scope)
        except OSError:
            return True
        look.directories = found.directories
        return bool(found.files)
