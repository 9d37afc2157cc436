"""The top of the walk: the destination that an argument names, and the source directories whose contents go to it."""

from __future__ import annotations

import errno
import os
import stat

from arsync.config import CopyConfig
from arsync.engine.arguments import split
from arsync.engine.branches import Branch
from arsync.engine.destination import Destinations
from arsync.engine.held import operator_paths
from arsync.engine.listing import Found
from arsync.engine.resolve import Sources
from arsync.engine.small import Survey
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.errors import ExitCode, FatalError
from arsync.events import Failure, Item
from arsync.fs.acl import default_perms
from arsync.fs.directory import DirectoryFd, DirectoryTable, bring_names
from arsync.fs.operator_path import HERE
from arsync.fs.xattr import path_of


class Roots:
    """The destination's node, its own entries, and whether it is a file that is copied."""

    def __init__(self, config: CopyConfig, top: Node, table: DirectoryTable, umask: int) -> None:
        self.config = config
        self.top = top
        self.created = False
        self.made = (b"", 0)  # under --mkpath: a path, and how many of its components were made
        self.rename = b""  # the destination's name where a single file is copied to another name
        self.listings: list[tuple[DirectoryFd, Found]] = []
        self.failures: list[Failure] = []
        self.notes: list[Item] = []  # symlinks in the sources that are followed because they lead out of them
        self.whole = False  # all that the destination itself should have is known
        self._table = table
        self._paths = operator_paths(config)._replace(confine_root=None)  # which is about other paths
        self._mode = 0o777 & ~umask | 0o700

    def open_destination(self, sources: Sources) -> None:
        """Open or make the destination. Raises FatalError where it cannot be."""
        dest = self.config.dest
        single = _at_most_a_file(sources)
        shown = os.fsdecode(dest)
        try:
            st = os.stat(dest)
        except FileNotFoundError:
            if single and not dest.endswith(b"/"):
                self._file_destination(dest, split(dest)[0] if sources.entries else dest)
            else:
                self._make_destination(dest)
            return
        except OSError as error:
            in_the_way = self.config.mkpath and error.errno == errno.ENOTDIR
            hint = "; a file is in the way: remove it, or name another DEST" if error.errno == errno.ENOTDIR else ""
            raise FatalError(
                f'cannot use the destination "{shown}": {error.strerror} ({error.errno}){hint}',
                ExitCode.FILE_IO if in_the_way else ExitCode.FILE_SELECT,
            ) from error
        if stat.S_ISDIR(st.st_mode):
            self.top.existing = self._hold(dest)
        elif single:
            self._file_destination(dest, dest)
        elif sources.entries > 1:
            raise FatalError(
                f'destination "{shown}" must be a directory when copying more than 1 file', ExitCode.FILE_SELECT
            )
        else:
            raise FatalError(
                f'cannot overwrite non-directory "{shown}" with a directory: remove it first, or name another DEST',
                ExitCode.FILE_SELECT,
            )

    def _hold(self, path: bytes) -> os.stat_result:
        """Open the destination; returns the status of what is held, whose name may be another's by now."""
        try:
            self.top.dst = DirectoryFd(self._table, self._paths.directory(path, HERE), None, path)
            with self.top.dst.pinned() as fd:
                return os.fstat(fd)
        except OSError as error:
            raise FatalError(
                f'cannot open the destination directory "{os.fsdecode(path)}": {error.strerror} ({error.errno})',
                ExitCode.FILE_SELECT,
            ) from error

    def _file_destination(self, dest: bytes, shown: bytes) -> None:
        """The destination is a name in a directory, which --mkpath makes and shows as ``shown``."""
        directory, name = split(dest)
        self.rename = name
        if self.config.mkpath:
            self._make_path(directory, shown)
            if self.config.dry_run and self.made[1]:
                return
        self._hold(directory)

    def _make_destination(self, dest: bytes) -> None:
        if self.config.mkpath:
            self._make_path(dest, dest)
            self.created = self.config.dry_run
            if not self.config.dry_run:
                self.top.existing = self._hold(dest)
            return
        self.created = True
        if not self.config.dry_run:
            self.created = self.top.fresh = self._make(dest)
            held = self._hold(dest)
            if not self.created:
                self.top.existing = held

    def _make_path(self, path: bytes, shown: bytes) -> None:
        """Make a directory and all that it is in (--mkpath)."""
        missing = []
        rest = path.rstrip(b"/")
        while rest and not os.path.lexists(rest):
            if not rest.endswith((b"/.", b"/..")):
                missing.append(rest)
            rest = os.path.dirname(rest).rstrip(b"/")
        if not self.config.dry_run:
            for directory in reversed(missing):
                self._make(directory)
        self.made = (shown, len(missing))

    def _make(self, path: bytes) -> bool:
        """Make a directory; False where another run has made it at the same moment."""
        try:
            above, name = os.path.split(path.rstrip(b"/"))
            fd = self._paths.held(above or b".", HERE)
            try:
                os.mkdir(name, default_perms(path_of(fd), self._mode) | 0o700, dir_fd=fd)
                if self.config.fsync:
                    _bring_names_of(fd)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                    raise
                return False
            finally:
                os.close(fd)
        except OSError as error:
            raise FatalError(
                f'cannot make the destination directory "{os.fsdecode(path)}": {error.strerror} ({error.errno})'
                + _hint(error, path),
                ExitCode.FILE_SELECT if error.errno == errno.ELOOP else ExitCode.FILE_IO,
            ) from error
        return True

    def open_top(self, sources: Sources, visitor: Visitor, destinations: Destinations) -> None:
        """Take the directories whose contents go to the destination itself, and list them."""
        listed = []
        for chosen in sources.tree.sources:
            assert chosen.directory is not None
            if chosen.implied and not self.config.implied_dirs:
                continue
            try:
                with chosen.directory.pinned() as fd:
                    self.top.st = self.top.st or os.fstat(fd)
            except OSError as error:
                self.failures.append(Failure("open directory", b".", error.errno or 0))
                continue
            self.top.sources.append(chosen.directory)
            if chosen.listed:
                listed.append(chosen.directory)
        if sources.absolute:
            self.top.path = b"/"
        if self.top.st is not None:
            destinations.make_accessible(self.top)
        self._check_not_same(visitor.never_list)
        self.listings = visitor.list_sources(self.top, listed, self.failures, self.notes)
        self.whole = bool(listed) and len(self.listings) == len(listed) and self.top.dst is not None

    def _check_not_same(self, never_list: set[tuple[int, int]]) -> None:
        """Remember the destination, so that a source that contains it is not copied into itself without end."""
        if self.top.dst is not None and not any(
            (source.device, source.inode) == (self.top.dst.device, self.top.dst.inode) for source in self.top.sources
        ):
            never_list.add((self.top.dst.device, self.top.dst.inode))


def _at_most_a_file(sources: Sources) -> bool:
    """Whether there is nothing, or one entry that is no directory: it may be given another name. Nothing at all is
    treated as a file is."""
    tree = sources.tree
    return not tree.branches and not tree.sources and not sources.lost and sources.entries <= 1


def add_to_survey(survey: Survey, sources: Sources) -> bool:
    """Count all that the arguments name; False where it is too much for one process."""
    try:
        return all(_add_branch(survey, name, branch) for name, branch in sources.tree.walk())
    except OSError:
        return False  # whoever copies it reports it


def _add_branch(survey: Survey, name: bytes, branch: Branch) -> bool:
    for file, (_, directory, _) in branch.files.items():
        with directory.pinned() as fd:
            if not survey.add(file, fd):
                return False
    for chosen in branch.sources:
        if not chosen.listed:
            continue
        if chosen.directory is not None:
            with chosen.directory.pinned() as fd:
                small = survey.add_contents(fd)
        else:
            assert chosen.parent is not None
            with chosen.parent.pinned() as fd:
                small = survey.add(name, fd)
        if not small:
            return False
    return True


def _hint(error: OSError, path: bytes) -> str:
    """Why a directory could not be made, where the error does not tell, and what to do."""
    if error.errno == errno.ENOENT:
        if not os.path.isdir("/proc/self/fd"):
            return "; /proc is not mounted here, and arsync needs it: mount -t proc proc /proc"
        return "; --mkpath also makes the directories on the way to it"
    if error.errno == errno.EEXIST and os.path.islink(path.rstrip(b"/")):
        return "; it is a symlink that leads nowhere: remove it, or make what it leads to"
    return ""


def _bring_names_of(held: int) -> None:
    """Bring the names in a directory that is held by O_PATH to the disk."""
    fd = os.open(path_of(held), os.O_RDONLY | os.O_DIRECTORY)
    try:
        bring_names(fd)
    finally:
        os.close(fd)
