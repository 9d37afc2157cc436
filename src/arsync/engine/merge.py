"""Entries of several source directories that go to one destination directory."""

from __future__ import annotations

from collections.abc import Iterable

from arsync.engine.branches import Branch
from arsync.engine.listing import Found
from arsync.fs.directory import DirectoryFd

#: A directory of a destination directory: its name, the source directories that it is in, and what arguments name of
#: it; with a branch, that knows the sources.
Directory = tuple[bytes, list[DirectoryFd], "Branch | None"]


class Merged:
    """Entries of several source directories under one destination: of a name twice, the first source's counts,
    except that directories are merged."""

    def __init__(self, files: list[tuple[DirectoryFd, bytes, int]], directories: list[Directory]) -> None:
        self.files = files
        self.directories = directories


def merge(listings: Iterable[tuple[DirectoryFd, Found]], branch: Branch | None, recursive: bool) -> Merged:
    """Merge the listings of several source directories, and what ``branch`` names beside them."""
    branch = branch or Branch()
    turns = {chosen.directory: chosen.turn for chosen in branch.sources}
    files = {name: (turn, source, kind) for name, (turn, source, kind) in branch.files.items()}
    directories: dict[bytes, list[DirectoryFd]] = {}
    for source, found in listings:
        turn = turns.get(source, 0)
        for name, kind in zip(found.files, found.kinds):
            if name not in files or turn < files[name][0]:
                files[name] = (turn, source, kind)
        for name in found.directories:
            if name in branch.branches:
                branch.branches[name].add_listed(turn, source, recursive)
            else:
                directories.setdefault(name, []).append(source)
    found_directories: list[Directory] = [(name, parents, None) for name, parents in directories.items()]
    found_directories += [(name, [], below) for name, below in branch.branches.items()]
    # rsync's order: by name, a directory counting as its name and a slash.
    found_directories.sort(key=lambda entry: entry[0] + b"/")
    names = sorted(name for name in files if name not in directories and name not in branch.branches)
    return Merged([(files[name][1], name, files[name][2]) for name in names], found_directories)


def names_in(listings: Iterable[tuple[DirectoryFd, Found]], branch: Branch | None) -> set[bytes]:
    """All names that a destination directory should have."""
    names = {name for _, found in listings for part in (found.files, found.directories) for name in part}
    if branch is not None:
        names.update(branch.files, branch.branches)
    return names
