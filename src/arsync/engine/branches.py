"""What arguments name, as a tree: the part of the destination's shape that is not found by listing directories.

``-R a/b/f`` puts branches ``a`` and ``b`` below the top, and ``f`` among the files of ``b``. A directory that was
named with all that is in it has a source that is listed; the traversal goes on below it without a branch.
"""

from __future__ import annotations

from collections.abc import Iterator

from arsync.fs.directory import DirectoryFd


class Chosen:
    """One source directory of a branch."""

    __slots__ = ("directory", "implied", "listed", "parent", "root", "turn")

    def __init__(self, turn: int, parent: DirectoryFd | None, directory: DirectoryFd | None) -> None:
        self.turn = turn  # of the argument: of a name twice, the first counts
        self.parent = parent  # where it is opened when it is visited, if it is not open; None: it always is
        self.directory = directory
        self.listed = False  # its contents are copied
        self.implied = True  # only on the way to what was named
        self.root = True  # an argument says so, no listing: -x does not ask on which device it is


class Branch:
    """One directory of the destination that arguments name, or that is on the way to what they name."""

    __slots__ = ("branches", "files", "missing", "prefix", "sources")

    def __init__(self) -> None:
        self.sources: list[Chosen] = []  # by turn
        self.files: dict[bytes, tuple[int, DirectoryFd, int]] = {}  # turn, the directory that it is in, its kind
        self.branches: dict[bytes, Branch] = {}
        self.missing: list[bytes] = []  # named, but not there: to be deleted (--delete-missing-args)
        self.prefix = b""  # / where an absolute path is shown as such

    def below(self, name: bytes) -> Branch:
        """The branch of this name, made if need be."""
        branch = self.branches.get(name)
        if branch is None:
            branch = self.branches[name] = Branch()
        return branch

    def add_file(self, turn: int, source: DirectoryFd, name: bytes, kind: int) -> None:
        """Name what is no directory."""
        self.files.setdefault(name, (turn, source, kind))

    def add_source(self, turn: int, parent: DirectoryFd | None, directory: DirectoryFd | None) -> Chosen:
        """The source that is opened in ``parent`` (or always is ``directory``), added if need be."""
        for chosen in self.sources:
            if chosen.parent is parent and (parent is not None or chosen.directory is directory):
                chosen.directory = chosen.directory or directory
                return chosen
        chosen = Chosen(turn, parent, directory)
        self.sources.append(chosen)
        return chosen

    def add_listed(self, turn: int, parent: DirectoryFd, listed: bool) -> None:
        """A source that was found by listing ``parent``."""
        chosen = self.add_source(turn, parent, None)
        chosen.implied = False
        if not chosen.listed:
            chosen.root, chosen.listed = False, listed
        self.sources.sort(key=lambda chosen: chosen.turn)

    def is_listed(self) -> bool:
        """Whether it was named with all that is in it."""
        return any(chosen.listed for chosen in self.sources)

    def listed_below(self, path: bytes) -> Iterator[bytes]:
        """The paths of all such below this one, whose own is ``path`` and a slash, in the order of the traversal."""
        todo = [(path, self)]
        while todo:
            at, branch = todo.pop()
            if branch is not self and branch.is_listed():
                yield at[:-1]
            below = [(at + name + b"/", inner) for name, inner in branch.branches.items()]
            todo += sorted(below, reverse=True, key=lambda entry: entry[0])

    def walk(self) -> Iterator[tuple[bytes, Branch]]:
        """Every branch, itself first as b""."""
        todo: list[tuple[bytes, Branch]] = [(b"", self)]
        while todo:
            name, branch = todo.pop()
            yield name, branch
            todo.extend(branch.branches.items())
