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
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.aside import replace_by_directory
from arsync.engine.attributes import Copied, copied_attributes, read_source, read_wanted
from arsync.engine.branches import Branch
from arsync.engine.compare import attribute_changes
from arsync.engine.context import acl_and_xattr
from arsync.engine.linkmodes import MOST_SYMLINKS, LinkModes, open_kept, without_broken
from arsync.engine.listing import Found, list_directory
from arsync.engine.merge import names_in
from arsync.engine.opening import SourceOpener, open_directory
from arsync.engine.tree import Node
from arsync.engine.wire import DEST_WAITS, SOURCE_WAITS
from arsync.events import ABSENT, ACL, EXISTS, LOCAL, NEW, XATTR, Failure, Item, Kind
from arsync.fs.acl import default_perms
from arsync.fs.directory import DirectoryFd, DirectoryTable, bring_names
from arsync.fs.metadata import AttributeSet, Preserve
from arsync.fs.plain import PlainOps, drive
from arsync.fs.protocol import StatResult
from arsync.fs.views import path_in
from arsync.fs.xattr import Target, path_of
from arsync.reporting import reporting

if TYPE_CHECKING:
    from arsync.engine.backup import Backups
    from arsync.engine.extraneous import Extraneous
    from arsync.engine.rundelay import RunDelay
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
        copied: Copied | None,
        table: DirectoryTable,
        selection: Selection | None = None,
    ) -> None:
        self._config = config
        self._preserve = self.preserve = preserve
        self.copied = copied
        self.stale: Stale | None = None  # what a killed run may have left
        self.backups: Backups | None = None  # where -b keeps what a directory replaces
        self._table = table
        self._selection = selection
        self._finds_extraneous = config.delete in (DeleteWhen.DURING, DeleteWhen.DELAY)
        self._default_perms = 0o777 & ~preserve.who.umask
        self._ops = PlainOps()
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
        stopwatch = _Stopwatch(self._without_cpu)
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

    def _enter_guard(self, node: Node) -> None:
        """Let the filter rules that protect entries of the destination hold in the node's."""
        if self._selection is not None:
            from arsync.engine.extraneous import enter_guard

            enter_guard(node, self._selection.paths)

    def _destination(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Have the destination open; returns the itemized flags, None where there is to be none, EXISTS where something
        else keeps its place."""
        if node.plain:
            from arsync.engine.beneath import open_plain

            changes = open_plain(self._config, self._table, self._default_perms, node, name, failures)
            try:
                self._enter_guard(node)
            except OSError as error:
                failures.append(Failure("use directory", node.path[:-1], error.errno or 0))
                return None
        else:
            changes = self._open_destination(node, name, failures)
        if node.alts and changes == LOCAL | NEW:
            from arsync.engine.altdirs import new_directory_changes

            changes = new_directory_changes(self._preserve, node)
        return changes

    def _open_destination(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Open or make the destination; returns as :meth:`_destination`."""
        config, parent = self._config, node.parent
        assert parent is not None
        assert node.st is not None
        if parent.dst is None:
            return None if config.existing else LOCAL | NEW
        try:
            if parent.fresh or self._preserve.fake or not self._open_at_once(node, parent.dst, name):
                with parent.dst.pinned() as fd:
                    outcome = self._open_or_make(node, parent, parent.dst, fd, name)
                if node.dst is None:
                    return outcome
            self._enter_guard(node)
            self.set_group_bit(node)
        except OSError as error:
            outside = "the symlink there leads out of DEST" if error.errno == errno.EXDEV else ""
            failures.append(Failure("make directory", node.path[:-1], error.errno or 0, outside))
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

    def _open_or_make(self, node: Node, parent: Node, held: DirectoryFd, fd: int, name: bytes) -> int | None:
        """Look at what stands at the destination, and open or make the directory; where there is to be none, returns as
        :meth:`_open_destination`. ``held``: the parent's destination, open as ``fd``."""
        config, kept = self._config, -1
        assert node.st is not None
        node.existing = None if parent.fresh else self._lstat(fd, name)
        stood = node.existing is not None
        if config.keep_dirlinks and node.existing is not None and stat.S_ISLNK(node.existing.st_mode):
            kept = open_kept(node, fd, name, insecure=config.insecure_links)
            if kept != -1:
                try:
                    node.existing = self._seen(kept, os.fstat(kept))
                except OSError:
                    os.close(kept)
                    raise
        if node.existing is not None and not stat.S_ISDIR(node.existing.st_mode):
            if config.ignore_existing:
                return EXISTS
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
        node.dst = DirectoryFd(self._table, opened, held, name, followed=kept != -1)
        return None

    def _open_at_once(self, node: Node, parent: DirectoryFd, name: bytes) -> bool:
        """Open the destination where it is a directory already, as most are in most runs; False where that has to be
        looked into."""
        try:
            with parent.pinned() as fd:
                opened, st = open_directory(name, fd)
        except OSError:
            return False
        if self._to_be_made_accessible(st):
            os.close(opened)
            return False
        node.existing = st
        node.dst = DirectoryFd(self._table, opened, parent, name, st=st)
        return True

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
        if self.copied is not None and node.sources and node.dst is not None:
            try:
                changes |= acl_and_xattr(self.attributes(node), ACL, XATTR)
            except OSError as error:
                failures.append(Failure("read attributes of", node.path[:-1] or b".", error.errno or 0))
        return changes

    def attributes(self, node: Node) -> AttributeSet:
        """The attributes of the node's source and destination."""
        assert node.dst is not None
        copied = self._copied_of(node)
        assert copied is not None
        with node.sources[0].pinned() as src, node.dst.pinned() as dst:
            return AttributeSet(
                drive(read_source(self._ops, src, copied.source, self._preserve)),
                drive(read_wanted(self._ops, dst, copied.dest, self._preserve.fake)),
            )

    def _copied_of(self, node: Node) -> Copied | None:
        """Which attributes of a directory are copied: the rules where it stands say it, not its own."""
        if self._selection is None or node.parent is None:
            return self.copied
        rules = self._selection.attribute_rules(node.parent, node.sources[0].parent)
        return self.copied if rules is None else copied_attributes(self._config, self._preserve, rules)

    def _mode(self, st: StatResult, parent: int) -> int:
        """The mode to make a directory with: nobody's but ours where its owner is set later."""
        if self._preserve.perms:
            return _PRIVATE
        return self._preserve.source_mode(st) & default_perms(parent, self._default_perms) | 0o700

    def _to_be_made_accessible(self, existing: StatResult) -> bool:
        """Whether a directory of the destination is an ordinary user's own, who may not work in it as it is."""
        uid = self._preserve.who.uid
        return uid != 0 and existing.st_uid == uid and existing.st_mode & 0o700 != 0o700 and not self._config.dry_run

    def make_accessible(self, node: Node) -> None:
        """Let an ordinary user's own directory be worked in, until its mode is set when all in it is done."""
        existing = node.existing
        if existing is not None and node.dst is not None and self._to_be_made_accessible(existing):
            with node.dst.pinned() as fd:
                os.fchmod(fd, stat.S_IMODE(existing.st_mode) | 0o700)

    def _open_existing(self, node: Node, parent: int, name: bytes) -> int:
        """Open the destination directory, and look at what is held then: another directory may have taken the name.
        An ordinary user's own may have to be made accessible first, and is set right again when all is done."""
        if node.existing is None:
            return os.open(name, _OPEN, dir_fd=parent)
        if not self._to_be_made_accessible(node.existing):
            fd, st = open_directory(name, parent)
            try:
                node.existing = self._seen(fd, st)
            except OSError:
                os.close(fd)
                raise
            return fd
        held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
        try:
            st = os.fstat(held)
            node.existing = self._seen(path_of(held), st)
            if st.st_uid == self._preserve.who.uid:
                os.chmod(path_of(held), stat.S_IMODE(st.st_mode) | 0o700)
            return os.open(path_of(held), _FOLLOW)
        finally:
            os.close(held)

    def _lstat(self, dir_fd: int, name: bytes) -> StatResult | None:
        """What stands at the destination."""
        try:
            return self._seen(path_in(dir_fd, name), os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def _seen(self, target: Target, st: StatResult) -> StatResult:
        """What an entry counts as: one that is held, or at a path."""
        if not self._preserve.fake:
            return st
        from arsync.fs.fakesuper import as_stored

        return as_stored(target, st)

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
                failures.append(Failure("list", node.path[:-1], 0, "it is the destination of this copy", warning=True))
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
                failures.append(Failure("list directory", node.path[:-1] or b".", error.errno or 0))
        return listings


#: Seconds that a step during which its thread slept must have taken to count as one that waited for storage.
_WAITED = 0.0005

#: Sleeps in such a step that are more than a lock, however long the thread lacked a CPU: slow storage makes nearly
#: every call one.
_SLEEPS_WITHOUT_CPU = 2


class _Stopwatch:
    """Tells whether the steps of a visit waited for storage: time passed and the thread gave up the CPU by itself
    (being preempted does not count, nor what others who lack a CPU make it wait: see regime.py). Only a step that took
    long is looked at more closely."""

    def __init__(self, without_cpu: Callable[[], float | None]) -> None:
        self._without_cpu = without_cpu
        self._mark, self._slept = time.perf_counter(), _sleeps()

    def waited(self, side: int) -> int:
        """``side`` if the time since the last call was spent waiting, else 0."""
        then, self._mark = self._mark, time.perf_counter()
        if self._mark - then <= _WAITED:
            return 0
        slept, self._slept = self._slept, _sleeps()
        if self._slept <= slept:
            return 0
        delay = self._without_cpu()
        if self._slept - slept >= _SLEEPS_WITHOUT_CPU:
            return side
        return side if delay is not None and self._mark - then - delay > max(_WAITED, delay) else 0


def _sleeps() -> int:
    """How often this thread gave up the CPU by itself."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _mkdir(dir_fd: int, name: bytes, mode: int) -> None:
    os.mkdir(name, mode, dir_fd=dir_fd)
