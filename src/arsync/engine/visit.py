"""Looking at one directory: its source is opened and listed, its destination opened or made.

Everything here is plain calls in one go. getdents has no opcode, so a thread has to wait for a slow directory anyhow;
opening, stat and mkdir beside it in the same thread cost no extra trip, as ring operations would.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from arsync.config import CopyConfig
from arsync.engine.branches import Branch
from arsync.engine.linkmodes import MOST_SYMLINKS, LinkModes, without_broken
from arsync.engine.listing import Found, list_directory
from arsync.engine.merge import names_in
from arsync.engine.opening import SourceOpener
from arsync.engine.stopwatch import Stopwatch
from arsync.engine.tree import Node
from arsync.engine.wire import DEST_WAITS, SOURCE_WAITS
from arsync.events import ABSENT, EXISTS, Failure, Item, Kind
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.reporting import reporting

if TYPE_CHECKING:
    from arsync.engine.extraneous import Extraneous
    from arsync.engine.rundelay import RunDelay
    from arsync.engine.selection import Selection
    from arsync.engine.unfinished import Stale

#: Opens or makes a node's destination, by its name in the parent's; what fails is added to the list.
OpenDestination = Callable[[Node, bytes, list[Failure]], "int | None"]


class Visited(NamedTuple):
    """What a visit found and did."""

    failures: list[Failure]
    listings: list[tuple[DirectoryFd, Found]]  # one per source directory that could be listed
    changes: int  # the directory's own itemized flags
    skipped: bool  # it does not exist in the destination and is not to be made (--existing)
    waited: int  # which side made the visit wait: SOURCE_WAITS, DEST_WAITS
    extraneous: Extraneous | None = None  # what is to be deleted, where that is found now
    notes: list[Item] | None = None  # symlinks that are followed because they lead out of the transfer


class Visitor:
    """Visits directories with one run's options. Its methods may run in threads: they touch only their node."""

    def __init__(
        self,
        config: CopyConfig,
        open_destination: OpenDestination,
        table: DirectoryTable,
        selection: Selection | None = None,
        *,
        finds_extraneous: bool = False,
    ) -> None:
        """``open_destination``: as :meth:`Destinations.open`. ``finds_extraneous``: see :attr:`Visited.extraneous`."""
        self._config = config
        self._open_destination = open_destination
        self._table = table
        self._selection = selection
        self._finds_extraneous = finds_extraneous
        self.stale: Stale | None = None  # what a killed run may have left
        self._delay: RunDelay | None = None  # once a visit took long
        self.links = LinkModes(config)
        self._opener = SourceOpener(config, table, self.links)
        #: identities of the destination's top, into which a source must not be copied endlessly
        self.never_list: set[tuple[int, int]] = set()

    def _without_cpu(self) -> float | None:
        """Seconds since this thread asked last in which it had no CPU; None: it never asked."""
        if self._delay is None:
            from arsync.engine.rundelay import RunDelay

            self._delay = RunDelay()
        return self._delay.taken()

    def visit(
        self, node: Node, name: bytes, parents: list[DirectoryFd], branch: Branch | None, *, large: bool = False
    ) -> Visited:
        """Visit the directory ``name`` of ``parents`` (source directories), or of the branch's sources, as ``node``.
        ``large``: as :func:`list_directory`."""
        stopwatch = Stopwatch(self._without_cpu)
        failures: list[Failure] = []
        if branch is None:
            listed = self._opener.open_found(node, name, parents, failures)
        else:
            listed = self._opener.open_named(node, name, branch, failures)
        if node.st is None and not node.plain:
            return Visited(failures, [], 0, True, 0)
        waited = stopwatch.waited(SOURCE_WAITS)
        if node.parent is not None and node.parent.alts:
            from arsync.engine.altdirs import open_alternatives

            open_alternatives(node, name, self._table, failures)
        changes = self._open_destination(node, name, failures)
        if self.stale is not None and node.dst is not None and not node.fresh:
            self.stale.remove_from(node.dst, node.path, failures)
        waited |= stopwatch.waited(DEST_WAITS)
        notes: list[Item] = []
        listings = [] if changes is None else self.list_sources(node, listed, failures, notes, large=large)
        waited |= stopwatch.waited(SOURCE_WAITS)
        if changes == EXISTS:
            return self._left_alone(node, branch, listings, failures, waited)
        if changes is None:
            # Where nothing failed it was left alone, which --info=skip tells.
            return Visited(failures, listings, 0 if failures else ABSENT, True, waited)
        found = None
        if self._finds_extraneous and listings and len(listings) == len(listed):
            if node.dst is not None and not node.fresh:
                from arsync.engine.extraneous import extraneous_in

                found = extraneous_in(node, names_in(listings, branch), failures)
            waited |= stopwatch.waited(DEST_WAITS)
        return Visited(failures, listings, changes, False, waited, found, notes)

    def _left_alone(
        self,
        node: Node,
        branch: Branch | None,
        listings: list[tuple[DirectoryFd, Found]],
        failures: list[Failure],
        waited: int,
    ) -> Visited:
        """Under --ignore-existing something else keeps the directory's place, which is an error where anything was to
        be copied into it."""
        path, notes = node.path[:-1], []
        named = branch is not None and (branch.files or branch.branches)
        if named or any(found.files or found.directories for _, found in listings):
            failures.append(Failure("make directory", path, errno.EEXIST))
        elif (skips := reporting(self._config).info["skip"]) > 0:
            notes = [Item(path, Kind.DIRECTORY, EXISTS, b"type change" if skips > 1 else b"")]
        return Visited(failures, [], 0, True, waited, None, notes)

    def list_sources(
        self,
        node: Node,
        sources: list[DirectoryFd],
        failures: list[Failure],
        notes: list[Item],
        *,
        large: bool = False,
    ) -> list[tuple[DirectoryFd, Found]]:
        """List source directories of a node; ``notes`` gets what is to be told of symlinks in them. ``large``: as
        :func:`list_directory`."""
        listings = []
        for source in sources:
            if (source.device, source.inode) in self.never_list:
                failures.append(
                    Failure("leave out", node.path[:-1], 0, "it is the destination of this copy", warning=True)
                )
                continue
            try:
                with source.pinned() as fd:
                    if node.follows > MOST_SYMLINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                    found, broken = self.links.resolve(fd, list_directory(fd, large=large), node.path, notes)
                    if self._selection is not None:
                        found = self._selection.choose(node, source, fd, found, failures, notes)
                    if broken:
                        found = without_broken(found, broken, failures)
                    listings.append((source, found))
            except OSError as error:
                # What must not be read is held all the same, to look up names in it: the kernel then says EBADF.
                number = errno.EACCES if error.errno == errno.EBADF else error.errno or 0
                failures.append(Failure("list directory", node.path[:-1] or b".", number))
        return listings
