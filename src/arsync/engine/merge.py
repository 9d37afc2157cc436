"""Entries of several source directories that go to one destination directory."""

from __future__ import annotations

from arsync.engine.listing import Found
from arsync.fs.directory import DirectoryFd


class Merged:
    """Entries of several source directories under one destination: of a name twice, the first source's counts,
    except that directories are merged."""

    def __init__(
        self, files: list[tuple[DirectoryFd, bytes, int]], directories: list[tuple[bytes, list[DirectoryFd]]]
    ) -> None:
        self.files = files
        self.directories = directories


def merge(listings: list[tuple[DirectoryFd, Found]]) -> Merged:
    """Merge the listings of several source directories."""
    return merge_all(
        [
            Merged(
                [(source, name, kind) for name, kind in zip(found.files, found.kinds)],
                [(name, [source]) for name in found.directories],
            )
            for source, found in listings
        ]
    )


def merge_all(parts: list[Merged]) -> Merged:
    """Merge what was merged before: the entries that several arguments name."""
    directories: dict[bytes, list[DirectoryFd]] = {}
    for part in parts:
        for name, parents in part.directories:
            directories.setdefault(name, []).extend(parents)
    files: dict[bytes, tuple[DirectoryFd, bytes, int]] = {}
    for part in parts:
        for entry in part.files:
            if entry[1] not in directories:
                files.setdefault(entry[1], entry)
    return _sorted(directories, files)


def _sorted(directories: dict[bytes, list[DirectoryFd]], files: dict[bytes, tuple[DirectoryFd, bytes, int]]) -> Merged:
    """rsync's order: by name, a directory counting as its name and a slash."""
    return Merged(
        [files[name] for name in sorted(files)], sorted(directories.items(), key=lambda entry: entry[0] + b"/")
    )
