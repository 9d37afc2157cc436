"""The names of an inode with several links (-H), as far as they were met."""

from __future__ import annotations

from collections import deque

from arsync.engine.places import Place, Turn
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.fs.directory import DirectoryFd


class Member:
    """One name of an inode."""

    __slots__ = (
        "at",
        "dst_name",
        "exists",
        "group",
        "kind",
        "name",
        "node",
        "ordinal",
        "place",
        "replaced",
        "same",
        "source",
        "turn",
    )

    def __init__(
        self, work: SliceWork, index: int, turn: Turn, exists: bool, same: tuple[int, int] | None = None
    ) -> None:
        self.node: Node = work.node
        self.source: DirectoryFd = work.source
        self.name = work.names[index]
        self.ordinal = work.ordinal + index
        self.dst_name = work.dst_names[index] if work.dst_names else self.name
        self.kind = work.kinds[index : index + 1]
        self.exists = exists  # something of its kind stands under its name, here or in an alternative tree
        self.group: Group | None = None  # for which it is being copied
        self.same = same  # device and inode of what stands there, where that needs nothing but links
        self.place: Place | None = None  # of its lines, and
        self.at = 0  # where in it; without a place they come later, in
        self.turn = turn
        self.replaced = False  # but for a dry run it would be another file than what stands there

    @property
    def path(self) -> bytes:
        return self.node.path + self.name


class Group:
    """The names of one inode that were seen so far."""

    __slots__ = ("behind", "copied", "copying", "expected", "key", "leader", "seen", "turn", "waiting")

    def __init__(self, key: tuple[int, int], links: int) -> None:
        self.key = key  # device and inode
        self.expected = links
        self.seen = 0
        self.turn = 0  # of what is copied, among all that was met
        self.leader: Member | None = None  # what the others are linked to
        self.copied = False  # its data was
        self.copying: Member | None = None
        self.waiting: list[Member] = []  # met before what is copied
        self.behind: deque[Member] = deque()  # and after it
