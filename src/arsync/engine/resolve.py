"""From arguments to the tree of what they name, all of it held; what does not exist is found out."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from arsync.config import CopyConfig
from arsync.engine.arguments import Argument, arguments
from arsync.engine.branches import Branch
from arsync.engine.linkmodes import LinkModes
from arsync.engine.ways import Ways
from arsync.engine.wire import FOLLOWED, OTHER, REGULAR
from arsync.errors import ExitCode, FatalError
from arsync.events import SKIPPED, Failure, Item, Kind
from arsync.fs.directory import DirectoryFd, DirectoryTable

if TYPE_CHECKING:
    from arsync.engine.selection import Selection

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
        self._selection = selection
        self._links = LinkModes(config)
        self._ways = Ways(config, table, follow=self._links.follow)
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
            self._ways.base(path)
        except OSError as error:
            raise FatalError(
                f'cannot use the directory of --files-from "{os.fsdecode(path)}": {error.strerror} ({error.errno})',
                ExitCode.FILE_SELECT,
            ) from error

    def _add(self, turn: int, argument: Argument) -> None:
        found = self._sources
        try:
            base = self._ways.base(argument.base)
            for part in argument.way:
                base = self._ways.open(base, part)
        except OSError as error:
            found.failures.append(_failure(ENTERING, argument.shown, error))
            return
        way: list[DirectoryFd] = [base]
        try:
            if argument.dot:
                self._ways.check_inside(base)
                self._add_dot(turn, base)  # whether or not the rest exists
            for part in argument.parts[:-1]:
                if self._config.implied_dirs:  # each of them is copied, whether or not the rest exists
                    self._ways.check_inside(way[-1])
                way.append(self._ways.open(way[-1], part))
            self._ways.check_inside(way[-1])
            self._add_found(turn, argument, way)
        except FileNotFoundError as error:
            self._add_missing(turn, argument, way, error)
        except OSError as error:
            found.failures.append(_failure("find", argument.shown, error))

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
        known = self._ways.known(directory, name)
        with directory.pinned() as fd:
            st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if not stat.S_ISLNK(st.st_mode):
            return known, st.st_mode, False
        if argument.contents and (opened := self._ways.behind_slash(directory, name)) is not None:
            return opened, stat.S_IFDIR, False
        with directory.pinned() as fd:
            now, followed = self._links.stat(fd, name, b"/".join(argument.parts[:-1]), self._sources.notes)
        return None, now.st_mode, followed

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


def _failure(operation: str, path: bytes, error: OSError) -> Failure:
    """With what the error says beside its number, if it says anything."""
    number = error.errno or 0
    text = error.strerror or ""
    return Failure(operation, path, number) if text == os.strerror(number) else Failure(operation, path, 0, text)
