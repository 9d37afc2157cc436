"""Hard links inside the transfer (-H): one entry of each group is copied, the others are linked to it.

Which one is copied is rsync's choice, so that the lines are too: the first whose destination already exists, else the
last of the group (the first where there is no data to copy: symlinks, devices). Entries are judged in traversal order.
Only inodes with several links are remembered, and forgotten once all their links were seen.
"""

from __future__ import annotations

from collections.abc import Callable

from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.wire import FRESH, LEADER, LINK, OTHER, SLICE_NAMES
from arsync.fs.directory import DirectoryFd

#: What an entry is linked to: a directory, the name there, and the path.
_Leader = tuple[DirectoryFd, bytes, bytes]

#: Directories that the links of one slice may lead to.
_LEADER_DIRECTORIES = 4


class _Member:
    """One name of an inode."""

    __slots__ = ("dst_name", "kind", "name", "node", "ordinal", "source")

    def __init__(self, work: SliceWork, index: int) -> None:
        self.node: Node = work.node
        self.source: DirectoryFd = work.source
        self.name = work.names[index]
        self.ordinal = work.ordinal + index
        self.dst_name = work.dst_names[index] if work.dst_names else self.name
        self.kind = work.kinds[index : index + 1]

    @property
    def path(self) -> bytes:
        return self.node.path + self.name


class _Group:
    """The names of one inode that were seen so far."""

    __slots__ = ("copying", "expected", "leader", "seen", "waiting")

    def __init__(self, links: int) -> None:
        self.expected = links
        self.seen = 0
        self.leader: _Member | None = None  # what the others are linked to
        self.copying: _Member | None = None
        self.waiting: list[_Member] = []


class HardLinks:
    """Decides for each entry with several links what becomes of it; ``submit`` sends the work on its way.

    ``stopped`` tells that nothing more is to be begun.
    """

    def __init__(
        self, submit: Callable[[SliceWork], None], stopped: Callable[[], bool], *, together: bool = True
    ) -> None:
        """``together``: links in one directory may share a slice; each has its own where it may have to wait."""
        self._submit = submit
        self._stopped = stopped
        self._together = together
        self._groups: dict[tuple[int, int], _Group] = {}
        self._by_work: dict[SliceWork, tuple[tuple[int, int] | None, list[_Member]]] = {}
        self._links: list[_Member] = []  # to be sent together, and
        self._leaders: list[_Leader] = []  # what they are linked to

    def meet(self, work: SliceWork, index: int, device: int, inode: int, links: int, exists: bool) -> None:
        """An entry with several links, in traversal order. Its node is held until it is dealt with."""
        key = (device, inode)
        group = self._groups.setdefault(key, _Group(links))
        group.seen += 1
        member = _Member(work, index)
        member.node.hold()
        if group.leader is not None:
            self._link(member, group.leader)
        elif group.copying is not None:
            group.waiting.append(member)
        elif exists or group.seen == group.expected or member.kind == bytes([OTHER]):
            self._copy(key, group, member)
        else:
            group.waiting.append(member)
        self._forget_if_done(key, group)

    def all_met(self) -> None:
        """No entry will be met any more: groups with links outside of the transfer are complete too. May be called
        again."""
        for key, group in list(self._groups.items()):
            group.expected = group.seen
            if group.leader is None and group.copying is None and group.waiting:
                self._copy(key, group, group.waiting.pop())
            self._forget_if_done(key, group)

    def answered(self, work: SliceWork, failed: bool) -> bool:
        """A slice came back; True if it was one of these, whose nodes are then released.

        A leader that failed, or was left alone (-u), is nothing to link to: the next one is copied.
        """
        known = self._by_work.pop(work, None)
        if known is None:
            return False
        key, members = known
        group = None if key is None else self._groups.get(key)
        if key is not None and group is not None and group.copying is not None and members == [group.copying]:
            leader, group.copying = group.copying, None
            waiting, group.waiting = group.waiting, []
            if not failed:
                group.leader = leader
                assert leader is not None
                for member in reversed(waiting):
                    self._link(member, leader)
                self.flush()
            elif waiting and self._stopped():
                for member in waiting:
                    member.node.release()
            elif waiting:
                group.waiting = waiting[:-1]
                self._copy(key, group, waiting[-1])
            self._forget_if_done(key, group)
        for member in members:
            member.node.release()
        return True

    def flush(self) -> None:
        """Send the links that were collected: after a slice's entries were met."""
        links, leaders = self._links, self._leaders
        if links:
            self._links, self._leaders = [], []
            self._send(None, links, LINK, tuple(leaders))

    def _copy(self, key: tuple[int, int], group: _Group, member: _Member) -> None:
        self.flush()  # lines come in the order in which entries were met
        group.copying = member
        self._send(key, [member], LEADER, ())

    def _link(self, member: _Member, leader: _Member) -> None:
        directory = leader.node.dst
        if directory is None:  # a dry run in a directory that does not exist
            directory = leader.source
        if not self._joins(member, directory):
            self.flush()
        self._links.append(member)
        self._leaders.append((directory, leader.dst_name, leader.path))
        if not self._together:
            self.flush()

    def _joins(self, member: _Member, directory: DirectoryFd) -> bool:
        """Whether a link may share a slice with those before it: neighbours, and links into few directories, each of
        which takes a descriptor."""
        if not self._links:
            return True
        last = self._links[-1]
        directories = {held for held, _, _ in self._leaders}
        return (
            len(self._links) < SLICE_NAMES
            and member.node is last.node
            and member.source is last.source
            and member.ordinal == last.ordinal + 1
            and (directory in directories or len(directories) < _LEADER_DIRECTORIES)
        )

    def _send(
        self, key: tuple[int, int] | None, members: list[_Member], flag: int, leaders: tuple[_Leader, ...]
    ) -> None:
        node = members[0].node
        fresh = FRESH if flag == LEADER and (node.fresh or node.dst is None) else 0
        names, dst_names = tuple(member.name for member in members), tuple(member.dst_name for member in members)
        work = SliceWork(
            node,
            None,
            members[0].source,
            names,
            b"".join(member.kind for member in members),
            flag | fresh,
            dst_names=() if dst_names == names else dst_names,
            leaders=leaders,
        )
        work.ordinal = members[0].ordinal
        self._by_work[work] = (key, members)
        self._submit(work)

    def _forget_if_done(self, key: tuple[int, int], group: _Group) -> None:
        if group.seen >= group.expected and group.copying is None and not group.waiting:
            self._groups.pop(key, None)
