"""The trees that are copied, the same in each run, and the check that a copy is one."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

#: One seed, so that every round and every machine copies the same sizes.
SEED = 2006
#: What files are filled from, at an offset of their own, so that two files seldom have the same data.
_POOL = random.Random(SEED).randbytes(1 << 20)


def small_files(root: Path, files: int, directories: int, mean: int) -> None:
    """``files`` files of ``mean`` bytes on average (exponential, at most 64 KiB) spread over ``directories``."""
    rng = random.Random(SEED)
    for number in range(directories):
        (root / f"d{number:04}").mkdir(parents=True)
    for number in range(files):
        size = min(int(rng.expovariate(1 / mean)), 64 << 10)
        _write(root / f"d{number % directories:04}" / f"file{number:06}.txt", size, number)


def linked_files(root: Path, files: int, directories: int, mean: int) -> None:
    """As ``small_files``, and a second name for each beside it."""
    small_files(root, files, directories, mean)
    for directory in root.iterdir():
        for path in list(directory.iterdir()):
            os.link(path, directory / f"other-{path.name}")


def flat_directory(root: Path, files: int) -> None:
    """All files in one directory, 1 KiB each."""
    root.mkdir(parents=True)
    for number in range(files):
        _write(root / f"file{number:06}", 1024, number)


def deep_tree(root: Path, levels: int, files: int) -> None:
    """Directories inside one another, ``levels`` deep, with ``files`` files of 2 KiB in each."""
    path = str(root)
    os.makedirs(path)
    for level in range(levels):
        for number in range(files):
            _write(f"{path}/f{number}", 2048, level)
        path += "/d"
        os.mkdir(path)


def large_file(root: Path, size: int) -> None:
    """One file without holes."""
    root.mkdir(parents=True)
    with (root / "large").open("wb") as file:
        for done in range(0, size, len(_POOL)):
            file.write(_POOL[: size - done])


def one_file(root: Path) -> None:
    """One file of 1 KiB."""
    root.mkdir(parents=True)
    _write(root / "small", 1024, 0)


def _write(path: str | Path, size: int, number: int) -> None:
    start = number * 4099 % (len(_POOL) - (64 << 10))
    with open(path, "wb", buffering=0) as file:
        file.write(_POOL[start : start + size])


def difference(source: Path, copy: Path, times: bool = True) -> str | None:
    """The first thing in which ``copy`` is not a copy of ``source``: names, types, modes, sizes, times in nanoseconds
    of files, and data (whole small files; beginning, middle and end of large ones). None if there is none.

    ``times`` is off for tools that do not keep modes and exact times.
    """
    there = dict(_entries(copy))
    for name, st in _entries(source):
        other = there.pop(name, None)
        if other is None:
            return f"{name} is missing"
        if _kind(st, times) != _kind(other, times):
            return f"{name}: {_kind(st, times)} became {_kind(other, times)}"
        if stat.S_ISREG(st.st_mode) and _sample(source / name, st.st_size) != _sample(copy / name, st.st_size):
            return f"{name}: other data"
    return f"{next(iter(there))} is too many" if there else None


def _kind(st: os.stat_result, times: bool) -> tuple[int, ...]:
    if stat.S_ISDIR(st.st_mode):
        return (st.st_mode,) if times else (stat.S_IFMT(st.st_mode),)
    if not times:
        return stat.S_IFMT(st.st_mode), st.st_size
    return st.st_mode, st.st_size, st.st_mtime_ns


def _sample(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        if size <= 1 << 20:
            return file.read()
        pieces = []
        for offset in (0, size // 2, size - (64 << 10)):
            file.seek(offset)
            pieces.append(file.read(64 << 10))
        return b"".join(pieces)


def _entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below, by relative path. Not os.walk, which recurses in older Pythons."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(f"{root}/{below}") as entries:
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                yield name, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
