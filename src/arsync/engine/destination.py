"""The destination side of a visit: a directory is opened where it stands, or made."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from arsync.config import CopyConfig
from arsync.engine.aside import replace_by_directory
from arsync.engine.dirchanges import DirectoryChanges
from arsync.engine.linkmodes import open_kept
from arsync.engine.opening import open_directory
from arsync.engine.tree import Node
from arsync.events import EXISTS, LOCAL, NEW, Failure
from arsync.fs.acl import default_perms
from arsync.fs.directory import DirectoryFd, DirectoryTable, bring_names
from arsync.fs.metadata import Preserve
from arsync.fs.plain import PlainOps, drive
from arsync.fs.protocol import StatResult
from arsync.fs.views import path_in
from arsync.fs.xattr import Target, path_of

if TYPE_CHECKING:
    from arsync.engine.backup import Backups
    from arsync.engine.selection import Selection

_FOLLOW = os.O_RDONLY | os.O_DIRECTORY
_OPEN = _FOLLOW | os.O_NOFOLLOW

#: What root makes a directory with until its own metadata is set, after its entries: nobody else is let in.
_PRIVATE = 0o700


class Destinations:
    """Opens and makes destination directories with one run's options. Its methods may run in threads: they touch only
    their node."""

    def __init__(
        self,
        config: CopyConfig,
        preserve: Preserve,
        changes: DirectoryChanges,
        table: DirectoryTable,
        selection: Selection | None = None,
    ) -> None:
        self._config = config
        self.preserve = preserve
        self.changes = changes
        self.backups: Backups | None = None  # where -b keeps what a directory replaces
        self._table = table
        self._selection = selection
        self._default_perms = 0o777 & ~preserve.who.umask
        self._ops = PlainOps()

    def enter_guard(self, node: Node) -> None:
        """Let the filter rules that protect entries of the destination hold in the node's."""
        if self._selection is not None:
            from arsync.engine.extraneous import enter_guard

            enter_guard(node, self._selection.paths)

    def open(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Have the destination open; returns the itemized flags, None where there is to be none, EXISTS where something
        else keeps its place."""
        if node.plain:
            from arsync.engine.beneath import open_plain

            changes = open_plain(self._config, self._table, self._default_perms, node, name, failures)
            try:
                self.enter_guard(node)
            except OSError as error:
                failures.append(Failure("use directory", node.path[:-1], error.errno or 0))
                return None
        else:
            changes = self._open_destination(node, name, failures)
        if node.alts and changes == LOCAL | NEW:
            from arsync.engine.altdirs import new_directory_changes

            changes = new_directory_changes(self.preserve, node)
        return changes

    def _open_destination(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Open or make the destination; returns as :meth:`open`."""
        config, parent = self._config, node.parent
        assert parent is not None
        assert node.st is not None
        if parent.dst is None:
            return None if config.existing else LOCAL | NEW
        try:
            if parent.fresh or self.preserve.fake or not self._open_at_once(node, parent.dst, name):
                with parent.dst.pinned() as fd:
                    outcome = self._open_or_make(node, parent, parent.dst, fd, name)
                if node.dst is None:
                    return outcome
            self.enter_guard(node)
            self.set_group_bit(node)
        except OSError as error:
            outside = "the symlink there leads out of DEST" if error.errno == errno.EXDEV else ""
            failures.append(Failure("make directory", node.path[:-1], error.errno or 0, outside))
            return None
        if node.fresh:
            return LOCAL | NEW
        return self.changes.of(node, failures)

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
        if not self.preserve.perms or self.preserve.group or self.preserve.fake or self._config.dry_run:
            return
        assert node.st is not None
        assert node.dst is not None
        with node.dst.pinned() as fd:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if (mode ^ self.preserve.source_mode(node.st)) & stat.S_ISGID:
                os.fchmod(fd, mode ^ stat.S_ISGID)

    def _mode(self, st: StatResult, parent: int) -> int:
        """The mode to make a directory with: nobody's but ours where its owner is set later."""
        if self.preserve.perms:
            return _PRIVATE
        return self.preserve.source_mode(st) & default_perms(parent, self._default_perms) | 0o700

    def _to_be_made_accessible(self, existing: StatResult) -> bool:
        """Whether a directory of the destination is an ordinary user's own, who may not work in it as it is."""
        uid = self.preserve.who.uid
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
            if st.st_uid == self.preserve.who.uid:
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
        if not self.preserve.fake:
            return st
        from arsync.fs.fakesuper import as_stored

        return as_stored(target, st)


def _mkdir(dir_fd: int, name: bytes, mode: int) -> None:
    os.mkdir(name, mode, dir_fd=dir_fd)
