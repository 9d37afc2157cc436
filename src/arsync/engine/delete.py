"""Deleting entries of the destination that the source does not have, and what is in the way of others.

Everything is removed relative to a directory that is held open, and a directory is opened without following a
symlink: what is swapped while this runs is not followed out of the destination. Files go to the workers in slices; a
directory is removed when all that was in it is gone. Where order counts (a limit, a file system that folds names, a
dry run, a few files) the parent does it all at once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterable

from arsync.config import CopyConfig
from arsync.engine.backup import Backups
from arsync.engine.extraneous import Extraneous, extraneous
from arsync.engine.filtering import reader
from arsync.engine.limit import Limit
from arsync.engine.order import Order
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.wire import DELETE, SLICE_NAMES
from arsync.events import DELETED, KEPT, Failure, Item, Kind, Totals
from arsync.filters import Scope
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.fs.plain import PlainOps, drive

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: So few files of one directory are removed sooner than they are sent to a worker.
_FEW = 4

_NOTHING: frozenset[bytes] = frozenset()


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


class _Visit:
    """A doomed directory on the way through it."""

    __slots__ = ("doomed", "found", "guard", "next")

    def __init__(self, doomed: Doomed, found: Extraneous, guard: Scope | None) -> None:
        self.doomed = doomed
        self.found = found
        self.guard = guard
        self.next = 0  # among the directories in it


class Deleter:
    """Deletes with one run's options. ``stopped`` tells that nothing more is to be begun."""

    def __init__(
        self,
        config: CopyConfig,
        order: Order,
        table: DirectoryTable,
        totals: Totals,
        limit: Limit,
        stopped: Callable[[], bool],
    ) -> None:
        self._dry_run = config.dry_run
        self._one_file_system = config.one_file_system > 0
        self._order = order
        self._table = table
        self._totals = totals
        self._stopped = stopped
        self._settled: deque[Node] = deque()
        self._settling = False
        self._at_once = False  # lines do not wait for their turn
        self.limit = limit
        self.backups: Backups | None = None  # -b: where what is no directory goes instead
        #: names that are deleted all the same: backups of before, where they stand beside what they are backups of
        self._own_suffix = config.suffix if config.backup and config.backup_dir is None else b""
        self.troubled = False  # a directory of the destination could not be listed

    def delete(self, node: Node, found: Extraneous, guard: Scope | None) -> Generator[SliceWork, None, None]:
        """Delete entries of ``node``; ``guard``: the rules that protect what is in the directories among them."""
        direct = self._dry_run or found.folding or self.limit.most is not None or self.backups is not None
        for name in found.directories:
            if (visit := self._enter(node, name, guard)) is not None:
                yield from self._descend(visit, direct)
        yield from self._files(node, found.names, found.kinds, direct)

    def clear(self, node: Node, name: bytes, guard: Scope | None) -> bool:
        """Delete at once what is in the directory ``name`` of ``node``, to make way for something else; the directory
        itself stays. Returns whether it is empty then, or would be but for a dry run."""
        visit = self._enter(node, name, guard)
        if visit is None:
            return False
        doomed, found = visit.doomed, visit.found
        self._at_once = True
        for inner in found.directories:
            if (deeper := self._enter(doomed, inner, visit.guard)) is not None:
                exhaust(self._descend(deeper, direct=True))
        exhaust(self._files(doomed, found.names, found.kinds, direct=True))
        self._at_once = False
        assert doomed.dst is not None
        doomed.dst.close()
        node.release()
        return not doomed.keep

    def _enter(self, node: Node, name: bytes, guard: Scope | None) -> _Visit | None:
        """Open and list a directory that is to be deleted; None where it stays as it is."""
        assert node.dst is not None
        try:
            with node.dst.pinned() as fd:
                dst = DirectoryFd(self._table, os.open(name, _OPEN, dir_fd=fd), node.dst, name)
        except OSError as error:
            self._left(node, name, error)
            return None
        if self._one_file_system and dst.device != node.dst.device:
            dst.close()
            _keep(node)
            return None
        try:
            with dst.pinned() as fd:
                if not self._dry_run:
                    _make_writable(fd)
                inner = None if guard is None else guard.enter(name, reader(fd))
                found = extraneous(fd, _NOTHING, inner, doomed=True)
        except OSError as error:
            dst.close()
            self._left(node, name, error)
            return None
        doomed = Doomed(node, name, self._settle, dst)
        doomed.keep = found.protected
        return _Visit(doomed, found, inner)

    def _left(self, node: Node, name: bytes, error: OSError) -> None:
        """A directory could not be looked into: it stays, and so do those that it is in."""
        self.troubled = True
        _keep(node)
        self._tell(self._number(), [], [Failure("delete directory", node.path + name, error.errno or 0)])

    def _number(self) -> int:
        """A place in the order of the output; -1 where what is told is told at once."""
        return -1 if self._at_once else self._order.open()

    def _tell(self, number: int, items: list[Item], failures: list[Failure]) -> None:
        if number < 0:
            self._order.emit(items, failures)
        else:
            self._order.add(number, items, failures)

    def _descend(self, visit: _Visit, direct: bool) -> Generator[SliceWork, None, None]:
        """Delete a directory with all that is in it. Not recursive: a tree may be deep."""
        stack = [visit]
        while stack:
            visit = stack[-1]
            directories = visit.found.directories
            if visit.next < len(directories) and not self._stopped():
                name = directories[visit.next]
                visit.next += 1
                if (deeper := self._enter(visit.doomed, name, visit.guard)) is not None:
                    stack.append(deeper)
                continue
            yield from self._files(visit.doomed, visit.found.names, visit.found.kinds, direct)
            stack.pop()
            visit.doomed.number = self._number()
            if direct:
                self._remove(visit.doomed)
                assert visit.doomed.parent is not None
                visit.doomed.parent.release()
            else:
                visit.doomed.release()

    def _files(self, node: Node, names: list[bytes], kinds: bytes, direct: bool) -> Generator[SliceWork, None, None]:
        """Delete what is no directory."""
        if not names:
            return
        if self._stopped():
            _keep(node)
            return
        if direct or len(names) <= _FEW:
            self._delete_here(node, names, kinds)
            return
        assert node.dst is not None
        for begin in range(0, len(names), SLICE_NAMES):
            part = tuple(names[begin : begin + SLICE_NAMES])
            node.hold()
            yield SliceWork(node, self._order.open(), node.dst, part, kinds[begin : begin + len(part)], DELETE)

    def _delete_here(self, node: Node, names: Iterable[bytes], kinds: bytes) -> None:
        items: list[Item] = []
        failures: list[Failure] = []
        assert node.dst is not None
        try:
            with node.dst.pinned() as fd:
                for name, kind in zip(names, kinds):
                    if self._delete_one(node, fd, name, failures):
                        self.limit.deleted()
                        self._totals.deleted[kind] += 1
                        items.append(Item(node.path + name, kind, DELETED))
        except OSError as error:
            _keep(node)
            failures.append(Failure("delete in directory", node.path[:-1] or b".", error.errno or 0))
        self._tell(self._number(), items, failures)

    def _delete_one(self, node: Node, fd: int, name: bytes, failures: list[Failure]) -> bool:
        if self.limit.reached():
            _keep(node)
            return False
        if self._dry_run:
            return True
        try:
            if self.backups is None or (self._own_suffix and name.endswith(self._own_suffix)):
                os.unlink(name, dir_fd=fd)
            else:
                drive(self.backups.move(PlainOps(), fd, node.path, name))
        except FileNotFoundError:
            return False
        except OSError as error:
            _keep(node)
            failures.append(Failure("delete", node.path + name, error.errno or 0))
            return False
        return True

    def _settle(self, node: Node) -> None:
        """All that was in a doomed directory has been dealt with. Not recursive, as in Conductor.settle."""
        self._settled.append(node)
        if self._settling:
            return
        self._settling = True
        while self._settled:
            doomed = self._settled.popleft()
            assert isinstance(doomed, Doomed)
            self._remove(doomed)
            assert doomed.parent is not None
            doomed.parent.release()
        self._settling = False

    def _remove(self, doomed: Doomed) -> None:
        """Remove an emptied directory, and tell what became of it as rsync does: of a directory inside of another it
        says twice that it is not empty."""
        path = doomed.path[:-1]
        kept = Item(path, Kind.DIRECTORY, KEPT)
        items = [kept] if doomed.keep else []
        failures: list[Failure] = []
        gone = False
        if (doomed.nested or not doomed.keep) and not self._stopped() and not self.limit.reached():
            gone = self._dry_run or self._rmdir(doomed, items, kept, failures)
        if gone:
            items.append(Item(path, Kind.DIRECTORY, DELETED))
            self.limit.deleted()
            self._totals.deleted[Kind.DIRECTORY] += 1
        if doomed.keep or not gone:
            assert doomed.parent is not None
            _keep(doomed.parent)
        assert doomed.dst is not None
        doomed.dst.close()
        self._tell(doomed.number, items, failures)

    def _rmdir(self, doomed: Doomed, items: list[Item], kept: Item, failures: list[Failure]) -> bool:
        assert doomed.parent is not None
        assert doomed.parent.dst is not None
        try:
            with doomed.parent.dst.pinned() as fd:
                os.rmdir(doomed.name, dir_fd=fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                items.append(kept)
            else:
                failures.append(Failure("delete directory", doomed.path[:-1], error.errno or 0))
            return False
        return True


def _keep(node: Node) -> None:
    """Something in a directory stays: so does the directory."""
    if isinstance(node, Doomed):
        node.keep = True


def failed(node: Node) -> None:
    """A worker could not delete something in a directory."""
    _keep(node)


def exhaust(steps: Iterable[SliceWork]) -> None:
    """Run a deletion that the parent does itself, and so yields nothing."""
    for _ in steps:
        raise AssertionError("a deletion in the parent asked for a worker")


def _make_writable(fd: int) -> None:
    """Let an ordinary user delete what is in a directory of his own that he may not write to, as rsync does."""
    if (uid := os.geteuid()) != 0:
        st = os.fstat(fd)
        if st.st_uid == uid and st.st_mode & 0o300 != 0o300:
            os.fchmod(fd, stat.S_IMODE(st.st_mode) | 0o300)
