"""From arguments to held directories: each is looked up once, and what does not exist is found out.

What lies between where an argument starts and its last component (-R) is opened component by component. A symlink on
the way is followed, as rsync does: it becomes a directory at the destination, so what was named arrives. The paths of a
list (--files-from) go through directories that the list only names: a symlink there is followed where root or this user
made it, and others where an option says that the source's symlinks are followed.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from arsync.config import CopyConfig
from arsync.engine.arguments import Argument, arguments
from arsync.engine.branches import Branch
from arsync.engine.held import operator_paths
from arsync.engine.linkmodes import LinkModes
from arsync.engine.wire import FOLLOWED, OTHER, REGULAR
from arsync.errors import ExitCode, FatalError
from arsync.events import SKIPPED, Failure, Item, Kind
from arsync.fs.directory import DirectoryFd, DirectoryTable

if TYPE_CHECKING:
    from arsync.engine.selection import Selection

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


#: What fails where an argument's directory cannot be used: nobody knows what it would have named.
ENTERING = "reach"


class Sources(NamedTuple):
    """What the arguments came to."""

    tree: Branch
    failures: list[Failure]
    skipped: list[Item]  # directories that are passed over, without -r and -d
    notes: list[Item]  # symlinks that are followed because they lead out of the transfer
    lost: list[tuple[bytes, ...]]  # paths at the destination that are to be deleted, in directories not in the tree
    absolute: bool  # all are shown with a slash before them
    entries: int  # how many there are, one that is named twice counting twice


class Resolver:
    """Looks up the arguments of one run."""

    def __init__(self, config: CopyConfig, table: DirectoryTable, selection: Selection | None = None) -> None:
        self._config = config
        self._table = table
        self._selection = selection
        self._bases: dict[bytes, DirectoryFd] = {}
        self._opened: dict[tuple[DirectoryFd, bytes], DirectoryFd] = {}
        self._links = LinkModes(config)
        #: how what a list names is looked up: others may have made the symlinks on the way (-L and -k mean them)
        judged = config.files_from is not None and not self._links.follow
        self._paths = operator_paths(config) if judged else None
        self._entries = 0
        self._sources = Sources(Branch(), [], [], [], [], False, 0)

    def resolve(self) -> Sources:
        """Look up all arguments. Raises FatalError: a list that cannot be read, or its directory."""
        config = self._config
        if config.files_from is not None:
            self._check_start(config.sources[0])
        absolute, found = [], self._sources
        for turn, argument in enumerate(arguments(config)):
            absolute.append(argument.absolute)
            self._add(turn, argument)
        return found._replace(absolute=bool(absolute) and all(absolute), entries=self._entries)

    def _check_start(self, path: bytes) -> None:
        try:
            self._base(path)
        except OSError as error:
            raise FatalError(
                f'cannot use the directory of --files-from "{os.fsdecode(path)}": {error.strerror} ({error.errno})',
                ExitCode.FILE_SELECT,
            ) from error

    def _add(self, turn: int, argument: Argument) -> None:
        found = self._sources
        try:
            base = self._base(argument.base)
            for part in argument.way:
                base = self._open(base, part)
        except OSError as error:
            found.failures.append(_failure(ENTERING, argument.shown, error))
            return
        way: list[DirectoryFd] = [base]
        try:
            if argument.dot:
                self._check_inside(base)
                self._add_dot(turn, base)  # whether or not the rest exists
            for part in argument.parts[:-1]:
                if self._config.implied_dirs:  # each of them is copied, whether or not the rest exists
                    self._check_inside(way[-1])
                way.append(self._open(way[-1], part))
            self._check_inside(way[-1])
            self._add_found(turn, argument, way)
        except FileNotFoundError as error:
            self._add_missing(turn, argument, way, error)
        except OSError as error:
            found.failures.append(_failure("find", argument.shown, error))

    def _check_inside(self, directory: DirectoryFd) -> None:
        """Raise OSError where what a list names would come from outside of --confine-root."""
        if self._paths is not None and self._config.confine_root is not None:
            with directory.pinned() as fd:
                self._paths.check_inside(fd)

    def _add_dot(self, turn: int, base: DirectoryFd) -> None:
        """``-R ./x`` names the directory ``.`` too, without its contents, unless a rule leaves it out."""
        scope = self._selection.of_source(base.name) if self._selection is not None else None
        if scope is not None and scope.excludes(b".", True):
            return
        if self._config.recursive or self._config.dirs:
            if self._config.implied_dirs:
                self._named(self._sources.tree, turn, None, base, listed=False)
        elif (dot := Item(b".", Kind.DIRECTORY, SKIPPED)) not in self._sources.skipped:
            self._sources.skipped.append(dot)

    def _add_found(self, turn: int, argument: Argument, way: list[DirectoryFd]) -> None:
        """Put what exists in the tree. Raises OSError where it does not."""
        config, found, directory = self._config, self._sources, way[-1]
        if not argument.parts:
            if not (config.recursive or config.dirs):
                found.skipped.append(Item(b".", Kind.DIRECTORY, SKIPPED))
                return
            if self._selection is not None:
                self._selection.admits(directory.name, (), way, True, found.failures)
            self._named(found.tree, turn, None, directory, listed=True)
            return
        name = argument.parts[-1]
        inner, mode, followed = self._last(directory, argument)
        if self._selection is not None and not self._selection.admits(
            os.path.join(argument.base, *argument.way), argument.parts, way, stat.S_ISDIR(mode), found.failures
        ):
            self._entries += 1
            return
        if not stat.S_ISDIR(mode):
            self._entries += 1
            kind = FOLLOWED if followed else REGULAR if stat.S_ISREG(mode) else OTHER
            self._imply(turn, argument, way).add_file(turn, directory, name, kind)
        elif config.recursive or config.dirs:
            branch = self._imply(turn, argument, way).below(name)
            if argument.absolute and len(argument.parts) == 1:
                branch.prefix = b"/"
            listed = config.recursive or argument.contents
            self._named(branch, turn, directory, inner, listed=listed)
        else:
            path = (b"/" if argument.absolute else b"") + b"/".join(argument.parts)
            found.skipped.append(Item(path, Kind.DIRECTORY, SKIPPED))

    def _named(
        self, branch: Branch, turn: int, parent: DirectoryFd | None, directory: DirectoryFd | None, *, listed: bool
    ) -> None:
        self._entries += 1
        chosen = branch.add_source(turn, parent, directory)
        chosen.implied = False
        chosen.listed = chosen.listed or listed

    def _last(self, directory: DirectoryFd, argument: Argument) -> tuple[DirectoryFd | None, int, bool]:
        """The last component's mode, and whether it is a symlink that was followed; with a slash behind it a symlink
        to a directory is that directory, opened."""
        name = argument.parts[-1]
        known = self._opened.get((directory, name))
        with directory.pinned() as fd:
            st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not stat.S_ISLNK(st.st_mode):
            return known, st.st_mode, False
        if argument.contents and (opened := self._behind_slash(directory, name)) is not None:
            return opened, stat.S_IFDIR, False
        with directory.pinned() as fd:
            now, followed = self._links.stat(fd, name, b"/".join(argument.parts[:-1]), self._sources.notes)
        return None, now.st_mode, followed

    def _behind_slash(self, directory: DirectoryFd, name: bytes) -> DirectoryFd | None:
        """The directory that a symlink with a slash behind it leads to. Where there is none the slash means nothing, as
        for rsync. Raises OSError where it is not to be followed."""
        try:
            opened = self._open(directory, name)
        except OSError as error:
            if self._paths is not None and error.errno == errno.ELOOP:
                raise
            return None
        self._check_inside(opened)
        return opened

    def _imply(self, turn: int, argument: Argument, way: list[DirectoryFd]) -> Branch:
        """The branch that an argument's last component is in; all of the way to it that exists is copied too."""
        branch = self._sources.tree
        for depth, (part, outer, inner) in enumerate(zip(argument.parts[:-1], way, way[1:])):
            branch = branch.below(part)
            branch.add_source(turn, outer, inner)
            if argument.absolute and not depth:
                branch.prefix = b"/"
        return branch

    def _add_missing(self, turn: int, argument: Argument, way: list[DirectoryFd], error: OSError) -> None:
        """An argument that does not exist: an error, nothing, or to be deleted."""
        config, found = self._config, self._sources
        if config.delete_missing_args:
            self._entries += 1
            if len(way) < len(argument.parts):
                gone = os.path.join(argument.base, *argument.way, *argument.parts[: len(way)])
                found.failures.append(Failure("find", gone, errno.ENOENT, vanished=True))
                if config.implied_dirs and len(way) > 1:
                    self._imply(turn, argument, way)
                if not config.recursive:  # as rsync, which sees no more of what is in a directory that it does not send
                    found.lost.append(argument.parts)
            elif config.implied_dirs or len(way) == 1:
                self._imply(turn, argument, way).missing.append(argument.parts[-1])
            else:
                found.lost.append(argument.parts)
        elif not config.ignore_missing_args:
            found.failures.append(Failure("find", argument.shown, error.errno or 0))

    def _base(self, path: bytes) -> DirectoryFd:
        base = self._bases.get(path)
        if base is None:
            base = self._bases[path] = DirectoryFd(self._table, _open(path, None), None, path)
        return base

    def _open(self, parent: DirectoryFd, name: bytes) -> DirectoryFd:
        """The directory ``name`` in ``parent``, which may be a symlink to one."""
        directory = self._opened.get((parent, name))
        if directory is not None:
            return directory
        with parent.pinned() as above:
            try:
                fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
                directory = DirectoryFd(self._table, fd, parent, name)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EACCES):
                    raise
                # A symlink, or a directory that can only be gone through: it is not opened a second time.
                directory = DirectoryFd(self._table, self._follow(name, above), None, name)
        self._opened[parent, name] = directory
        return directory

    def _follow(self, name: bytes, above: int) -> int:
        """Open what a symlink on the way leads to. On an argument's it is followed, whoever made it; what a list names
        is no more trusted than where it stands. Where it comes out is asked at the end of the way."""
        if self._paths is None:
            return _open(name, above)
        paths = self._paths._replace(confine_root=None)
        try:
            return paths.directory(name, above)
        except PermissionError:
            return paths.held(name, above)


def _failure(operation: str, path: bytes, error: OSError) -> Failure:
    """With what the error says beside its number, if it says anything."""
    number = error.errno or 0
    text = error.strerror or ""
    return Failure(operation, path, number) if text == os.strerror(number) else Failure(operation, path, 0, text)


def _open(path: bytes, dir_fd: int | None) -> int:
    """Open a directory to look up names in it: reading it may not be allowed."""
    try:
        return os.open(path, _DIRECTORY, dir_fd=dir_fd)
    except PermissionError:
        return os.open(path, os.O_PATH | os.O_DIRECTORY, dir_fd=dir_fd)
