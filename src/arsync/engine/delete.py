"""Deleting entries of the destination that the source does not have, and what is in the way of others.

Everything is removed relative to a directory that is held open, and a directory is opened without following a
symlink: what is swapped while this runs is not followed out of the destination. Files go to the workers in slices; a
directory is removed when all that was in it is gone. Where order counts (a limit, a file system that folds names, a
dry run, a few files) the parent does it all at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable

from arsync.config import CopyConfig
from arsync.engine.backup import Backups
from arsync.engine.doomed import Doomed, Visit, keep, make_writable
from arsync.engine.erase import Eraser
from arsync.engine.extraneous import Extraneous, extraneous
from arsync.engine.filtering import reader
from arsync.engine.held import operator_paths
from arsync.engine.limit import Limit
from arsync.engine.order import Order
from arsync.engine.place import kind_of
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.wire import DELETE, SLICE_NAMES
from arsync.events import KEPT, Failure, Item, Kind, Totals
from arsync.filters import Scope
from arsync.fs.directory import DirectoryFd, DirectoryTable

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: So few files of one directory are removed sooner than they are sent to a worker.
_FEW = 4

_NOTHING: frozenset[bytes] = frozenset()


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
        backups: Backups | None = None,
    ) -> None:
        self._dry_run = config.dry_run
        self._paths = operator_paths(config)
        self._one_file_system = config.one_file_system > 0
        self._order = order
        self._table = table
        self._eraser = Eraser(config, totals, limit, backups)
        self._stopped = stopped
        self._settled: deque[Node] = deque()
        self._settling = False
        self._at_once = False  # lines do not wait for their turn
        self.limit = limit
        self.troubled = False  # a directory of the destination could not be listed

    def delete(self, node: Node, found: Extraneous, guard: Scope | None) -> Generator[SliceWork, None, None]:
        """Delete entries of ``node``; ``guard``: the rules that protect what is in the directories among them."""
        direct = self._dry_run or found.folding or self.limit.most is not None
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
        self._leave(visit)
        return not doomed.keep

    def remove(self, node: Node, names: Iterable[bytes], *, whole: bool) -> None:
        """Delete at once what stands under some names in ``node``, unless a rule protects it; ``whole``: directories
        with all that is in them, else only empty ones. What is not there need not be deleted."""
        for name in sorted(set(names)):
            kind = self._kind(node, name)
            if kind is None or (node.guard is not None and node.guard.excludes(name, kind is Kind.DIRECTORY)):
                continue
            if kind is not Kind.DIRECTORY:
                self._delete_here(node, [name], bytes([kind]))
            elif (visit := self._enter(node, name, node.guard)) is not None:
                if whole or not (visit.found or visit.found.protected):
                    exhaust(self._descend(visit, direct=True))
                else:
                    self._tell(self._number(), [Item(visit.doomed.path[:-1], Kind.DIRECTORY, KEPT)], [])
                    self._leave(visit)

    def failed_at(self, path: bytes, error: OSError) -> None:
        """Tell that something could not be deleted."""
        self._tell(self._number(), [], [Failure("delete", path, error.errno or 0)])

    def _kind(self, node: Node, name: bytes) -> Kind | None:
        """What stands under a name; None where nothing does."""
        assert node.dst is not None
        try:
            with node.dst.pinned() as fd:
                return kind_of(os.stat(name, dir_fd=fd, follow_symlinks=False))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._left(node, name, error)
            return None

    def _leave(self, visit: Visit) -> None:
        """A directory that was looked into stays."""
        doomed = visit.doomed
        assert doomed.dst is not None
        assert doomed.parent is not None
        doomed.dst.close()
        doomed.parent.release()

    def _enter(self, node: Node, name: bytes, guard: Scope | None) -> Visit | None:
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
            keep(node)
            return None
        try:
            with dst.pinned() as fd:
                if not self._dry_run:
                    make_writable(fd)
                inner = None if guard is None else guard.enter(name, reader(fd, self._paths))
                found = extraneous(fd, _NOTHING, inner, doomed=True)
        except OSError as error:
            dst.close()
            self._left(node, name, error)
            return None
        doomed = Doomed(node, name, self._settle, dst)
        doomed.keep = found.protected
        return Visit(doomed, found, inner)

    def _left(self, node: Node, name: bytes, error: OSError) -> None:
        """A directory could not be looked into: it stays, and so do those that it is in."""
        self.troubled = True
        keep(node)
        self._tell(self._number(), [], [Failure("delete directory", node.path + name, error.errno or 0)])

    def _number(self) -> int:
        """A place in the order of the output; -1 where what is told is told at once."""
        return -1 if self._at_once else self._order.open()

    def _tell(self, number: int, items: list[Item], failures: list[Failure]) -> None:
        if number < 0:
            self._order.emit(items, failures)
        else:
            self._order.add(number, items, failures)

    def _descend(self, visit: Visit, direct: bool) -> Generator[SliceWork, None, None]:
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
            keep(node)
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
        items, failures = self._eraser.files(node, names, kinds)
        self._tell(self._number(), items, failures)

    def _settle(self, node: Node) -> None:
        """All that was in a doomed directory has been dealt with. Not recursive, as in Settling.settle."""
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
        items, failures = self._eraser.directory(doomed, self._stopped())
        assert doomed.dst is not None
        doomed.dst.close()
        self._tell(doomed.number, items, failures)


def failed(node: Node) -> None:
    """A worker could not delete something in a directory."""
    keep(node)


def exhaust(steps: Iterable[SliceWork]) -> None:
    """Run a deletion that the parent does itself, and so yields nothing."""
    for _ in steps:
        raise AssertionError("a deletion in the parent asked for a worker")
