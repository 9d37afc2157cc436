"""Directories that are being deleted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from arsync.engine.extraneous import Extraneous
from arsync.engine.tree import Node
from arsync.filters import Scope
from arsync.fs.directory import DirectoryFd


class Doomed(Node):
    """A directory that is being deleted."""

    __slots__ = ("keep", "name", "nested", "number")

    def __init__(self, parent: Node, name: bytes, on_settled: Callable[[Node], None], dst: DirectoryFd) -> None:
        super().__init__(parent, parent.path + name + b"/", on_settled)
        self.name = name
        self.dst = dst
        self.nested = isinstance(parent, Doomed)
        self.keep = False  # something in it stays
        self.number = -1


class Visit:
    """A doomed directory on the way through it."""

    __slots__ = ("doomed", "found", "guard", "next")

    def __init__(self, doomed: Doomed, found: Extraneous, guard: Scope | None) -> None:
        self.doomed = doomed
        self.found = found
        self.guard = guard
        self.next = 0  # among the directories in it


def keep(node: Node) -> None:
    """Something in a directory stays: so does the directory."""
    if isinstance(node, Doomed):
        node.keep = True


def make_writable(fd: int) -> None:
    """Let an ordinary user delete what is in a directory of his own that he may not write to, as rsync does."""
    if (uid := os.geteuid()) != 0:
        st = os.fstat(fd)
        if st.st_uid == uid and st.st_mode & 0o300 != 0o300:
            os.fchmod(fd, stat.S_IMODE(st.st_mode) | 0o300)
