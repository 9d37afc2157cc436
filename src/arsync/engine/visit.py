"""Looking at one directory: its source is opened and listed, its destination opened or made.

Everything here is plain calls in one go. getdents has no opcode, so a thread has to wait for a slow directory anyhow;
opening, stat and mkdir beside it in the same thread cost no extra trip, as ring operations would.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.aside import replace_by_directory
from arsync.engine.attributes import read_source, read_wanted
from arsync.engine.branches import Branch
from arsync.engine.compare import attribute_changes
from arsync.engine.context import acl_and_xattr
from arsync.engine.linkmodes import MOST_SYMLINKS, LinkModes, open_kept, without_broken
from arsync.engine.listing import Found, list_directory
from arsync.engine.merge import names_in
from arsync.engine.opening import SourceOpener
from arsync.engine.tree import Node
from arsync.engine.wire import DEST_WAITS, SOURCE_WAITS
from arsync.events import ABSENT, ACL, LOCAL, NEW, XATTR, Failure, Item
from arsync.fs.acl import default_perms
from arsync.fs.directory import DirectoryFd, DirectoryTable, bring_names
from arsync.fs.metadata import AttributeSet, Preserve
from arsync.fs.plain import PlainOps, drive
from arsync.fs.protocol import StatResult
from arsync.fs.views import path_in
from arsync.fs.xattr import Wanted

if TYPE_CHECKING:
    from arsync.engine.backup import Backups
    from arsync.engine.extraneous import Extraneous
    from arsync.engine.selection import Selection
    from arsync.engine.unfinished import Stale

_FOLLOW = os.O_RDONLY | os.O_DIRECTORY
_OPEN = _FOLLOW | os.O_NOFOLLOW

#: What root makes a directory with until its own metadata is set, after its entries: nobody else is let in.
_PRIVATE = 0o700


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
        preserve: Preserve,
        wanted: Wanted | None,
        table: DirectoryTable,
        selection: Selection | None = None,
    ) -> None:
        self._config = config
        self._preserve = self.preserve = preserve
        self.wanted = wanted
        self.stale: Stale | None = None  # what a killed run may have left
        self.backups: Backups | None = None  # where -b keeps what a directory replaces
        self._table = table
        self._selection = selection
        self._finds_extraneous = config.delete in (DeleteWhen.DURING, DeleteWhen.DELAY)
        self._default_perms = 0o777 & ~preserve.who.umask
        self._ops = PlainOps()
        self.links = LinkModes(config)
        self._opener = SourceOpener(config, table, self.links)
        #: identities of the destination's top, into which a source must not be copied endlessly
        self.never_list: set[tuple[int, int]] = set()

    def visit(self, node: Node, name: bytes, parents: list[DirectoryFd], branch: Branch | None) -> Visited:
        """Visit the directory ``name`` of ``parents`` (source directories), or of the branch's sources, as ``node``."""
        stopwatch = _Stopwatch()
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
        changes = self._destination(node, name, failures)
        if self.stale is not None and node.dst is not None and not node.fresh:
            self.stale.remove_from(node.dst, node.path, failures)
        waited |= stopwatch.waited(DEST_WAITS)
        notes: list[Item] = []
        listings = [] if changes is None else self.list_sources(node, listed, failures, notes)
        waited |= stopwatch.waited(SOURCE_WAITS)
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

    def _enter_guard(self, node: Node) -> None:
        """Let the filter rules that protect entries of the destination hold in the node's."""
        if self._selection is not None:
            from arsync.engine.extraneous import enter_guard

            enter_guard(node, self._selection.paths)

    def _destination(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Have the destination open; returns the itemized flags, None where there is to be none."""
        if node.plain:
            from arsync.engine.beneath import open_plain

            changes = open_plain(self._config, self._table, self._default_perms, node, name, failures)
            self._enter_guard(node)
        else:
            changes = self._open_destination(node, name, failures)
        if node.alts and changes == LOCAL | NEW:
            from arsync.engine.altdirs import new_directory_changes

            changes = new_directory_changes(self._preserve, node)
        return changes

    def _open_destination(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Open or make the destination; returns the itemized flags, None where there is to be none."""
        config, parent = self._config, node.parent
        assert parent is not None
        assert node.st is not None
        if parent.dst is None:
            return None if config.existing else LOCAL | NEW
        path = node.path[:-1]
        try:
            with parent.dst.pinned() as fd:
                node.existing = None if parent.fresh else self._lstat(fd, name)
                stood, kept = node.existing is not None, -1
                if config.keep_dirlinks and node.existing is not None and stat.S_ISLNK(node.existing.st_mode):
                    kept = open_kept(node, fd, name, insecure=config.insecure_links)
                    if kept != -1:
                        node.existing = os.fstat(kept)
                if node.existing is not None and not stat.S_ISDIR(node.existing.st_mode):
                    if config.ignore_existing:
                        if _is_empty(node):
                            return None
                        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
                    self._back_up(fd, parent, name)
                    node.replaced = True
                    node.existing = None
                if node.existing is None:
                    if config.existing and not stood:
                        return None
                    if config.dry_run:
                        return LOCAL | NEW
                    self._make(node, fd, name, stood)
                opened = kept if kept != -1 else self._open_existing(node, fd, name)
                node.dst = DirectoryFd(self._table, opened, parent.dst, name, followed=kept != -1)
            self._enter_guard(node)
            self.set_group_bit(node)
        except OSError as error:
            outside = "the symlink there leads out of DEST" if error.errno == errno.EXDEV else ""
            failures.append(Failure("make directory", path, error.errno or 0, outside))
            return None
        if node.fresh:
            return LOCAL | NEW
        return self.changes_of(node, failures)

    def _make(self, node: Node, dir_fd: int, name: bytes, stood: bool) -> None:
        """Make the destination in the place of what ``stood`` there. Another run that copies to the same place may make
        it first: then it is one that exists, and what is new may be so no longer."""
        assert node.st is not None
        make = replace_by_directory if stood else _mkdir
        try:
            make(dir_fd, name, self._mode(node.st, dir_fd))
        except FileExistsError:
            node.existing = self._lstat(dir_fd, name)
            if node.existing is None or not stat.S_ISDIR(node.existing.st_mode):
                raise
            if node.parent is not None:
                node.parent.fresh = False
            return
        if self._config.fsync:
            bring_names(dir_fd)
        node.fresh = True

    def _back_up(self, dir_fd: int, parent: Node, name: bytes) -> None:
        """With -b, keep what stands where a directory goes under another name too."""
        if self.backups is not None and not self._config.dry_run:
            drive(self.backups.keep(self._ops, dir_fd, parent.path, name))

    def set_group_bit(self, node: Node) -> None:
        """Give a directory the set-group-ID bit that it will have, or take away the one it inherited, before anything
        is made in it: what is made inherits the group by it. With -g each entry's group is set in any case."""
        if not self._preserve.perms or self._preserve.group or self._preserve.fake or self._config.dry_run:
            return
        assert node.st is not None
        assert node.dst is not None
        with node.dst.pinned() as fd:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if (mode ^ self._preserve.source_mode(node.st)) & stat.S_ISGID:
                os.fchmod(fd, mode ^ stat.S_ISGID)

    def changes_of(self, node: Node, failures: list[Failure]) -> int:
        """The itemized flags of a directory that exists on both sides."""
        assert node.st is not None
        assert node.existing is not None
        changes = attribute_changes(self._preserve, node.st, node.existing)
        if self.wanted is not None and node.sources and node.dst is not None:
            try:
                changes |= acl_and_xattr(self.attributes(node), ACL, XATTR)
            except OSError as error:
                failures.append(Failure("read attributes of", node.path[:-1] or b".", error.errno or 0))
        return changes

    def attributes(self, node: Node) -> AttributeSet:
        """The attributes of the node's source and destination."""
        assert self.wanted is not None
        assert node.dst is not None
        with node.sources[0].pinned() as src, node.dst.pinned() as dst:
            return AttributeSet(
                drive(read_source(self._ops, src, self.wanted, self._preserve)),
                drive(read_wanted(self._ops, dst, self.wanted, self._preserve.fake)),
            )

    def _mode(self, st: StatResult, parent: int) -> int:
        """The mode to make a directory with: nobody's but ours where its owner is set later."""
        if self._preserve.perms:
            return _PRIVATE
        return self._preserve.source_mode(st) & default_perms(parent, self._default_perms) | 0o700

    def make_accessible(self, node: Node) -> None:
        """Let an ordinary user's own directory be worked in, until its mode is set when all in it is done."""
        existing = node.existing
        if existing is None or node.dst is None or self._preserve.who.uid == 0 or self._config.dry_run:
            return
        if existing.st_mode & 0o700 != 0o700 and existing.st_uid == self._preserve.who.uid:
            with node.dst.pinned() as fd:
                os.fchmod(fd, stat.S_IMODE(existing.st_mode) | 0o700)

    def _open_existing(self, node: Node, parent: int, name: bytes) -> int:
        """Open the destination directory; an ordinary user's own may have to be made accessible first."""
        root = self._preserve.who.uid == 0
        if node.existing is not None and not root and not self._config.dry_run:
            mode = stat.S_IMODE(node.existing.st_mode)
            if mode & 0o700 != 0o700 and node.existing.st_uid == self._preserve.who.uid:
                held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
                try:
                    os.chmod(b"/proc/self/fd/%d" % held, mode | 0o700)  # set right again when all is done
                finally:
                    os.close(held)
        return os.open(name, _OPEN, dir_fd=parent)

    def _lstat(self, dir_fd: int, name: bytes) -> StatResult | None:
        """What stands at the destination."""
        try:
            return self._seen(dir_fd, name, os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def _seen(self, dir_fd: int, name: bytes, st: StatResult) -> StatResult:
        """What an entry counts as."""
        if not self._preserve.fake:
            return st
        from arsync.fs.fakesuper import as_stored

        return as_stored(path_in(dir_fd, name), st)

    def list_sources(
        self, node: Node, sources: list[DirectoryFd], failures: list[Failure], notes: list[Item]
    ) -> list[tuple[DirectoryFd, Found]]:
        """List source directories of a node; ``notes`` gets what is to be told of symlinks in them."""
        listings = []
        for source in sources:
            if (source.device, source.inode) in self.never_list:
                failures.append(Failure("list", node.path[:-1], 0, "it is the destination of this copy", warning=True))
                continue
            try:
                with source.pinned() as fd:
                    if node.follows > MOST_SYMLINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                    found, broken = self.links.resolve(fd, list_directory(fd), node.path, notes)
                    if self._selection is not None:
                        found = self._selection.choose(node, source, fd, found, failures)
                    if broken:
                        found = without_broken(found, broken, failures)
                    listings.append((source, found))
            except OSError as error:
                failures.append(Failure("list directory", node.path[:-1] or b".", error.errno or 0))
        return listings


#: Seconds that a step during which its thread slept must have taken to count as one that waited for storage.
_WAITED = 0.0005


class _Stopwatch:
    """Tells whether the steps of a visit waited for storage: time passed and the thread gave up the CPU by itself
    (being preempted does not count)."""

    def __init__(self) -> None:
        self._mark = self._now()

    def waited(self, side: int) -> int:
        """``side`` if the time since the last call was spent waiting, else 0."""
        (then, slept), self._mark = self._mark, self._now()
        now, sleeps = self._mark
        return side if sleeps > slept and now - then > _WAITED else 0

    def _now(self) -> tuple[float, int]:
        return time.perf_counter(), resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _is_empty(node: Node) -> bool:
    """Whether there is nothing in the node's source directories."""
    for source in node.sources:
        with source.pinned() as fd, os.scandir(fd) as entries:
            if next(entries, None) is not None:
                return False
    return True


def _mkdir(dir_fd: int, name: bytes, mode: int) -> None:
    os.mkdir(name, mode, dir_fd=dir_fd)
