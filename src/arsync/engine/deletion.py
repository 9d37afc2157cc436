"""When extraneous entries are deleted: while directories are visited, before everything else, or at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.branches import Branch
from arsync.engine.delete import Deleter
from arsync.engine.extraneous import LISTING, Extraneous, extraneous_in
from arsync.engine.merge import names_in
from arsync.engine.order import Order
from arsync.engine.roots import Roots
from arsync.engine.slices import Barrier, SliceWork
from arsync.engine.sweep import Plan, Sweep, Swept
from arsync.engine.tree import Node
from arsync.events import SEARCHED, Failure, Item, Kind, Sink

if TYPE_CHECKING:
    from arsync.engine.traverse import Step
    from arsync.engine.visit import Visited

#: Is given a directory and what is extraneous in it.
OnFound = Callable[[Node, Extraneous], Generator[SliceWork, None, None]]

#: Is given the path of a directory that was named.
OnNamed = Callable[[bytes], None]

#: What was being done where a failure means that the source, or what may be deleted, was not seen in full.
_LOOKING = frozenset({"follow", "follow symlink", "open directory", "list directory", LISTING})

#: The same of reading files: after the copy it counts as well.
_READING = _LOOKING | {"open", "read", "copy"}


class Deletion:
    """Decides with one run's options what of that which is found is deleted when."""

    def __init__(
        self,
        config: CopyConfig,
        deleter: Deleter,
        order: Order,
        sink: Sink,
        new_sweep: Callable[[OnFound, OnNamed], Sweep],
        stopped: Callable[[], bool],
        *,
        astray: bool,
    ) -> None:
        """``astray``: the directory of an argument could not be used."""
        self._when = config.delete
        self._ignore_errors = config.ignore_errors
        self._keep_times = config.times and not config.omit_dir_times and not config.dry_run
        self._deleter = deleter
        self._order = order
        self._sink = sink
        self._new_sweep = new_sweep
        self._stopped = stopped
        self._plan = Plan()
        self._failed = astray
        self._said = False

    def around(
        self, walk: Generator[Step, None, None], top: Node, roots: Roots, branch: Branch, begin: Callable[[], None]
    ) -> Generator[Step, None, None]:
        """The steps of a run: ``walk`` and what is deleted before, in and after it.

        ``branch`` is what the arguments name in ``top``. ``begin`` tells of the destination itself.
        """
        if self._when is DeleteWhen.BEFORE:
            yield from self._before(top, roots, branch)
        elif self._when is not DeleteWhen.AFTER:
            yield from self.in_visit(top, self._in_top(top, roots, branch), roots.failures)
        begin()
        yield from walk
        if self._when is DeleteWhen.DELAY:
            yield Barrier(None, last=True)
            yield from self._plan.carry_out(self._deleter, self._stopped, self._say_searched)
        elif self._when is DeleteWhen.AFTER:
            yield Barrier(top, last=True)
            yield from self._after(top, roots, branch)

    def at_visit(self, node: Node, visited: Visited) -> Generator[Step, None, None]:
        """Deal with what a visit found, in the order of the traversal."""
        yield from self.in_visit(node, visited.extraneous, visited.failures)

    def in_visit(
        self, node: Node, found: Extraneous | None, failures: Iterable[Failure]
    ) -> Generator[Step, None, None]:
        """Delete what was found in a directory, or remember it."""
        self._judge(failures, _LOOKING)
        if not found or self._given_up():
            return
        if self._when is DeleteWhen.DELAY:
            self._plan.add(node, found)
        else:
            yield from self._deleter.delete(node, found, node.guard)

    def _in_top(self, top: Node, roots: Roots, branch: Branch) -> Extraneous | None:
        """What is extraneous in the destination itself, where its contents are known."""
        if not roots.whole or top.fresh or roots.rename:
            return None
        failures: list[Failure] = []
        found = extraneous_in(top, names_in(roots.listings, branch), failures)
        self._judge(failures, _LOOKING)
        self._order.emit([], failures)
        return found

    def _judge(self, failures: Iterable[Failure], operations: frozenset[str]) -> None:
        if any(
            failure.operation in operations and not failure.warning and not failure.vanished for failure in failures
        ):
            self._failed = True

    def _given_up(self) -> bool:
        """Whether nothing is deleted any more, because what was seen of the trees may not be all; says so once."""
        if not self._is_in_doubt():
            return False
        if not self._said:
            self._said = True
            self._sink.deletion_given_up()
        return True

    def _is_in_doubt(self) -> bool:
        return not self._ignore_errors and (self._failed or self._deleter.troubled)

    def _say_searched(self, path: bytes) -> None:
        self._order.add(self._order.open(), [Item(path, Kind.DIRECTORY, SEARCHED)], [])

    def _begin_sweep(self, on_found: OnFound, on_named: OnNamed) -> Sweep | None:
        """None where the rules in the destination cannot be read: nobody knows what they protect."""
        try:
            return self._new_sweep(on_found, on_named)
        except OSError as error:
            self._order.emit([], [Failure(LISTING, b".", error.errno or 0)])
            return None

    def _before(self, top: Node, roots: Roots, branch: Branch) -> Generator[Step, None, None]:
        def remember(node: Node, found: Extraneous) -> Generator[SliceWork, None, None]:
            self._plan.add(node, found)
            yield from ()

        sweep = self._begin_sweep(remember, self._plan.add_named)
        if sweep is None:
            return
        yield from sweep.walk(top, roots.listings, branch, self._in_top(top, roots, branch))
        self._judge((*roots.failures, *sweep.failures), _LOOKING)
        # Of the others the copy tells itself.
        self._order.emit([], [failure for failure in sweep.failures if failure.operation == LISTING])
        yield from self._plan.carry_out(self._deleter, lambda: self._stopped() or self._given_up(), self._say_searched)
        yield Barrier(None, last=False)
        if top.existing is not None and top.dst is not None:
            try:
                with top.dst.pinned() as fd:
                    top.existing = os.fstat(fd)  # deleting may have changed its time, and rsync shows that
            except OSError as error:
                self._order.emit([], [Failure("look at", b".", error.errno or 0)])

    def _after(self, top: Node, roots: Roots, branch: Branch) -> Generator[Step, None, None]:
        self._failed = self._failed or bool(self._order.failed & _READING)
        if self._is_in_doubt():
            for path in (*([b"."] if roots.listings else []), *branch.listed_below(b"")):
                self._say_searched(path)
                self._given_up()
            self._given_up()
            return

        def delete(node: Node, found: Extraneous) -> Generator[SliceWork, None, None]:
            self._judge(sweep.failures, _LOOKING)
            if self._given_up():
                return
            if isinstance(node, Swept) and self._keep_times:
                try:
                    node.times = _times(node)
                except OSError as error:
                    self._order.emit([], [Failure("look at", node.path[:-1], error.errno or 0)])
                    return
            yield from self._deleter.delete(node, found, node.guard)

        begun = self._begin_sweep(delete, self._say_searched)
        if begun is None:
            return
        sweep = begun
        yield from sweep.walk(top, roots.listings, branch, self._in_top(top, roots, branch))
        self._order.emit([], sweep.failures)


def _times(node: Node) -> tuple[int, int]:
    assert node.dst is not None
    with node.dst.pinned() as fd:
        st = os.fstat(fd)
    return st.st_atime_ns, st.st_mtime_ns
