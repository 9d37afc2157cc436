"""Hard links inside the transfer (-H): one entry of each group is copied, the others are linked to it.

Which one is copied is rsync's choice, so that the lines are too: the first where its kind stands already, else the
last of the group among the next thousand entries (the first where there is no data to copy: symlinks, devices). Entries
are judged in traversal order.
Only inodes with several links are remembered, and forgotten once all their links were seen. Where their lines come is
in places.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from arsync.config import CopyConfig
from arsync.engine.linkgroups import Group, Member
from arsync.engine.places import HELD_FOR_LINKS, Place, Turn, Waiting
from arsync.engine.slices import SliceWork
from arsync.engine.wire import FRESH, LEADER, LINK, OTHER, REPLACED, SLICE_NAMES
from arsync.events import TRANSFER, Item
from arsync.fs.directory import DirectoryFd

#: What an entry is linked to: a directory, the name there, and the path.
_Leader = tuple[DirectoryFd, bytes, bytes]

#: Directories that the links of one slice may lead to.
_LEADER_DIRECTORIES = 4


class HardLinks:
    """Decides for each entry with several links what becomes of it; ``submit`` sends the work on its way.

    ``stopped`` tells that nothing more is to be begun.
    """

    def __init__(
        self,
        config: CopyConfig,
        submit: Callable[[SliceWork], None],
        stopped: Callable[[], bool],
        waiting: Waiting,
        *,
        told: bool,
        numbered: bool,
    ) -> None:
        """``told``: lines of entries are shown, so that their order counts; ``numbered``: and how many are left."""
        self._submit = submit
        self._stopped = stopped
        self._waiting = waiting
        self._dry_run = config.dry_run
        self._inplace = config.inplace
        self._delayed = config.delay_updates and not config.dry_run  # links wait for the end, each in its own slice
        self._told = told
        self._numbered = numbered
        self._groups: dict[tuple[int, int], Group] = {}
        self._by_work: dict[SliceWork, list[Member | None]] = {}
        self._copies: list[Member] = []  # to be copied, in one slice
        self._links: list[Member] = []  # to be linked, in one slice, and
        self._leaders: list[_Leader] = []  # what they are linked to,
        self._directories: set[DirectoryFd] = set()  # in these
        self._flags = LINK  # of their slice
        self._turns = 0
        self._undecided: deque[tuple[Group, Member]] = deque()  # those that wait for other names, as they were met

    def meet(
        self,
        work: SliceWork,
        index: int,
        device: int,
        inode: int,
        links: int,
        exists: bool,
        same: tuple[int, int] | None,
    ) -> Place | None:
        """An entry with several links, in traversal order. Its node is held until it is dealt with. Returns the place
        of its lines, None where they come later or there are none. ``same``: as in wire.py."""
        key = (device, inode)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key, links)
        group.seen += 1
        self._turns += 1
        self._decide(work.ordinal + index)
        member = Member(work, index, (self._turns, 0, 0), exists, same)
        if group.leader is not None and same is not None and same == group.leader.same:
            self._forget_if_done(group)  # it is linked already
            return None
        member.node.hold()
        if group.leader is not None:
            self._place_behind(group, member)
            self._link(member, group.leader)
        else:
            if group.copying is not None or group.waiting or same is None:
                member.place = self._new_place()
            if group.copying is not None:
                group.behind.append(member)
            else:
                self._judge(group, member)
        self._forget_if_done(group)
        return member.place

    def all_met(self) -> None:
        """No entry will be met any more: groups with links outside of the transfer are complete too. May be called
        again."""
        for group in list(self._groups.values()):
            group.expected = group.seen
            if group.leader is None and group.copying is None and group.waiting:
                self._copy(group, group.waiting.pop())
            self._forget_if_done(group)
        self.flush()

    def split(self, work: SliceWork, part: SliceWork, begin: int) -> bool:
        """Entries of a slice from ``begin`` on are a slice of their own now; False where it is none of these."""
        if (members := self._by_work.get(work)) is None:
            return False
        end = begin + len(part.names)
        self._by_work[part] = members[begin:end]
        members[begin:end] = [None] * len(part.names)
        return True

    def answered(self, work: SliceWork, items: list[Item], indexes: list[int], done: tuple[int, ...]) -> bool:
        """A slice came back, with lines of the entries of these indexes; True if it was one of these, whose nodes are
        then released. ``done``: as in wire.py."""
        members = self._by_work.pop(work, None)
        if members is None:
            return False
        lines: dict[int, list[Item]] = {}
        for index, item in zip(indexes, items):
            lines.setdefault(index, []).append(item)
        copied = set(done)
        for index, member in enumerate(members):
            if member is None:
                continue
            if member.group is not None:
                group, member.group = member.group, None
                self._copied(group, lines.get(index, []), failed=index not in copied)
            else:
                self._tell(member, lines.get(index, []))
            member.node.release()
        self.flush()
        return True

    def _copied(self, group: Group, items: list[Item], failed: bool) -> None:
        """A leader came back. One that failed, or was left alone (-u), is nothing to link to."""
        leader, group.copying = group.copying, None
        assert leader is not None
        if failed:
            self._go_on(group, leader)
            self._tell(leader, items)
        else:
            group.leader = leader
            moved = any(item.changes & TRANSFER for item in items)
            group.copied = self._delayed or (moved and not self._dry_run)
            leader.replaced = moved and self._dry_run and not self._inplace
            behind, before = [*group.behind], group.waiting[::-1]
            group.behind.clear()
            group.waiting.clear()
            if group.copied or leader.place is None:
                for member in behind:
                    self._give_up_place(member)
                    member.turn = self._turn(group, 1)
                for member in before:
                    member.turn = self._turn(group, 2)
            else:
                first = leader.place.extend(len(before))
                for number, member in enumerate(before, first):
                    member.place, member.at = leader.place, number
            self._tell(leader, items)
            for member in (*before, *behind):
                self._link(member, leader)
        self._forget_if_done(group)

    def _judge(self, group: Group, member: Member) -> None:
        """Copy a member of a group of which nothing is copied yet, unless it needs nothing, or let it wait for one."""
        if group.waiting:
            self._give_up_place(group.waiting[-1])
        if member.same is not None:
            group.copying, group.turn = member, member.turn[0]
            self._copied(group, [], failed=False)
            member.node.release()
            return
        last = group.seen >= group.expected and not group.behind
        if member.exists or last or member.kind == bytes([OTHER]):
            self._copy(group, member)
            return
        if member.place is not None:
            member.place.tentative = True
        group.waiting.append(member)
        self._undecided.append((group, member))

    def _decide(self, ordinal: int) -> None:
        """Of groups of which no other name was met for long, the last is copied now that one of this ordinal is met:
        it would be late at the end of a large tree, and if the run was interrupted, not at all."""
        while self._undecided and self._undecided[0][1].ordinal < ordinal - HELD_FOR_LINKS:
            group, member = self._undecided.popleft()
            if group.copying is None and group.leader is None and group.waiting and group.waiting[-1] is member:
                self._copy(group, group.waiting.pop())

    def _go_on(self, group: Group, failed: Member) -> None:
        """After a leader that is none: judge those that were met meanwhile; behind the last, what waits is copied."""
        if self._stopped():
            for member in (*group.behind, *group.waiting):
                self._give_up_place(member)
                member.node.release()
            group.behind.clear()
            group.waiting.clear()
            return
        while group.behind and group.copying is None:
            self._judge(group, group.behind.popleft())
        if group.copying is None and group.waiting and group.seen >= group.expected:
            member = group.waiting.pop()
            if member.place is None and failed.place is not None:
                member.place, member.at = failed.place, failed.place.extend(1)
                member.turn = failed.turn
            self._copy(group, member)

    def _place_behind(self, group: Group, member: Member) -> None:
        if group.copied:
            member.turn = self._turn(group, 1)
        else:
            member.place = self._new_place()

    def _new_place(self) -> Place | None:
        return Place() if self._told else None

    def _give_up_place(self, member: Member) -> None:
        if member.place is not None:
            self._waiting.fill(member.place, member.at, [])
            member.place = None

    def _turn(self, group: Group, part: int) -> Turn:
        self._turns += 1
        return group.turn, part, self._turns

    def _tell(self, member: Member, items: list[Item]) -> None:
        if member.place is not None:
            self._waiting.fill(member.place, member.at, items)
        elif items:
            self._waiting.later(member.turn, items)

    def flush(self) -> None:
        """Send what was collected: after a slice's entries were met, and after an answer."""
        self._flush_links()
        if self._copies:
            copies, self._copies = self._copies, []
            self._send(copies, LEADER, ())

    def _flush_links(self) -> None:
        if self._links:
            links, leaders = self._links, self._leaders
            self._links, self._leaders = [], []
            self._directories.clear()
            self._send(links, self._flags, tuple(leaders))

    def _copy(self, group: Group, member: Member) -> None:
        group.copying = member
        group.turn = member.turn[0]
        if member.place is not None:
            member.place.tentative = False
        if self._copies and not self._may_share(self._copies, member):
            self.flush()
        member.group = group
        self._copies.append(member)

    def _link(self, member: Member, leader: Member) -> None:
        directory = leader.node.dst
        if directory is None:  # a dry run in a directory that does not exist
            directory = leader.source
        flags = LINK | REPLACED if leader.replaced else LINK
        if flags != self._flags or not self._joins(member, directory):
            self._flush_links()
            self._flags = flags
        self._links.append(member)
        self._leaders.append((directory, leader.dst_name, leader.path))
        self._directories.add(directory)
        if self._delayed:
            self._flush_links()

    def _joins(self, member: Member, directory: DirectoryFd) -> bool:
        """Whether a link may share a slice with those before it, which lead into few directories: each of those takes
        a descriptor."""
        if not self._links:
            return True
        known = directory in self._directories or len(self._directories) < _LEADER_DIRECTORIES
        return known and self._may_share(self._links, member)

    def _may_share(self, members: list[Member], member: Member) -> bool:
        """Whether an entry may share a slice with others: of one directory, and where their lines show it, neighbours
        (:attr:`SliceWork.ordinal`)."""
        last = members[-1]
        return (
            len(members) < SLICE_NAMES
            and member.node is last.node
            and member.source is last.source
            and (not self._numbered or member.ordinal == last.ordinal + 1)
        )

    def _send(self, members: list[Member], flags: int, leaders: tuple[_Leader, ...]) -> None:
        node = members[0].node
        fresh = FRESH if flags == LEADER and (node.fresh or node.dst is None) else 0
        names, dst_names = tuple(member.name for member in members), tuple(member.dst_name for member in members)
        work = SliceWork(
            node,
            None,
            members[0].source,
            names,
            b"".join(member.kind for member in members),
            flags | fresh,
            dst_names=() if dst_names == names else dst_names,
            leaders=leaders,
        )
        work.ordinal = members[0].ordinal
        self._by_work[work] = [*members]
        self._submit(work)

    def _forget_if_done(self, group: Group) -> None:
        if group.seen >= group.expected and group.copying is None and not (group.waiting or group.behind):
            self._groups.pop(group.key, None)
