"""Cases of trees that are large in one way or another: how much memory do all processes together take?

Each is copied, and looked at again when there is nothing to do; rsync does the latter on the same copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bench import Bench
from results import Result, Row, Verdict
from tools import arsync, rsync

MIB = 1 << 20

#: What the names of a million entries of one directory take, and the links of a tree; nothing else may.
_MOST_BYTES = 150 * MIB

Make = Callable[[Path, int], None]


def files(root: Path, number: int) -> None:
    """Empty files, 1,000 in a directory."""
    for first in range(0, number, 1000):
        _fill(root / f"{first // 1000:04}", min(1000, number - first))


def flat(root: Path, number: int) -> None:
    """Empty files in one directory."""
    _fill(root, number)


def _fill(directory: Path, number: int) -> None:
    directory.mkdir(parents=True)
    fd = os.open(directory, os.O_RDONLY)
    for index in range(number):
        os.close(os.open(f"file{index:07}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
    os.close(fd)


def directories(root: Path, number: int) -> None:
    """Empty directories, 1,000 in each of others."""
    for index in range(number):
        (root / f"{index // 1000:03}" / f"{index % 1000:04}").mkdir(parents=True)


def links(root: Path, number: int) -> None:
    """Names of one file."""
    _fill(root, 1)
    for index in range(1, number):
        os.link(root / "file0000000", root / f"{index:06}")


def deep(root: Path, number: int) -> None:
    """Directories with names of 255 bytes inside one another, and a file in each: no path of it can be used."""
    root.mkdir(parents=True)
    fd = os.open(root, os.O_RDONLY)
    for _ in range(number):
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
        os.mkdir("n" * 255, dir_fd=fd)
        below = os.open("n" * 255, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def holes(root: Path, number: int) -> None:
    """A file of so many GiB with some data at the beginning of each 1,024th."""
    root.mkdir(parents=True)
    with (root / "large").open("wb") as file:
        file.truncate(number << 30)
        for offset in range(0, number << 30, 1 << 40):
            os.pwrite(file.fileno(), b"data" * MIB, offset)


def large_tree(bench: Bench, result: Result, kind: str, make: Make, number: int, *options: str) -> None:
    """One tree, made by ``make`` with ``number``."""
    number = bench.scaled(number)
    mine, other = arsync(bench.arsync, *options), rsync(*options)
    copied, again, theirs = (Row(f"{name}{how}") for name, how in (
        (mine.name, ""), (mine.name, ", nothing to do"), (other.name, ", nothing to do"),
    ))  # fmt: skip
    result.rows = [copied, again, theirs]
    with bench.volume_with(kind, lambda root: make(root, number)) as root:
        for row, tool in ((copied, mine), (again, mine), (theirs, other)):
            bench.run(row, tool, root / "src", root / "dst", check=False, memory=True)
    usable = copied.usable and again.usable
    peak = max(copied.memory, again.memory) if usable else 0
    told = f"{peak / MIB:.0f} MiB" if usable else "it failed"
    result.verdicts.append(Verdict("under 150 MiB together", told, usable and peak < _MOST_BYTES))


#: name, title, what makes it, how large, and the options beside -a
CASES: tuple[tuple[str, str, Make, int, tuple[str, ...]], ...] = (
    ("files", "1,000,000 files", files, 1_000_000, ()),
    ("flat", "1,000,000 files in one directory", flat, 1_000_000, ()),
    ("directories", "100,000 directories", directories, 100_000, ()),
    ("links", "50,000 links to one file, -H", links, 50_000, ("-H",)),
    ("deep", "3,000 levels of 255 bytes", deep, 3_000, ()),
    ("holes", "4 TiB of holes with 16 MiB of data", holes, 4096, ()),
    ("holes-S", "4 TiB of holes with 16 MiB of data, -S", holes, 4096, ("-S",)),
)
