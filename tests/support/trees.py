"""Test trees as data: literals that make themselves."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field

#: The time of directories of which none is said.
DIRECTORY_TIME = 1_500_000_000 * 10**9


@dataclass(frozen=True)
class File:
    content: bytes = b""
    mode: int = 0o644
    mtime_ns: int | None = None
    owner: tuple[int, int] | None = None
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Sparse:
    """A file of ``size`` bytes that holds data only in these places."""

    size: int
    data: tuple[tuple[int, bytes], ...] = ()
    mtime_ns: int | None = None


@dataclass(frozen=True)
class Symlink:
    target: bytes
    mtime_ns: int | None = None


@dataclass(frozen=True)
class Hardlink:
    """Another name of the entry at ``path``, relative to the top of the tree; made after all else."""

    path: bytes


@dataclass(frozen=True)
class Fifo:
    mode: int = 0o644
    mtime_ns: int | None = None


@dataclass(frozen=True)
class Socket:
    pass


@dataclass(frozen=True)
class Device:
    mode: int
    number: int


@dataclass(frozen=True)
class Dir:
    entries: dict[bytes, Entry] = field(default_factory=dict)
    mode: int = 0o755
    mtime_ns: int | None = None
    owner: tuple[int, int] | None = None
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


Entry = File | Sparse | Symlink | Hardlink | Fifo | Socket | Device | Dir

#: What the examples of the Python interface are about.
PROJECT = Dir(
    {
        b"notes.txt": File(b"some notes\n", mtime_ns=1_600_000_000_123_456_789),
        b"data.bin": File(bytes(range(256)) * 1000),
        b"latest": Symlink(b"docs/guide.txt"),
        b"docs": Dir({b"guide.txt": File(b"a guide\n")}),
    }
)


def create(path: bytes, tree: Entry) -> None:
    """Make the tree at ``path``; an existing directory there is filled."""
    links: list[tuple[bytes, bytes]] = []
    _make(path, tree, links)
    for link, target in links:
        os.link(os.path.join(path, target), link, follow_symlinks=False)
    _finish(path, tree)


def _make(path: bytes, entry: Entry, links: list[tuple[bytes, bytes]]) -> None:
    if isinstance(entry, Dir):
        os.makedirs(path, exist_ok=True)
        for name, child in entry.entries.items():
            _make(os.path.join(path, name), child, links)
    elif isinstance(entry, File):
        with open(path, "wb") as file:
            file.write(entry.content)
    elif isinstance(entry, Sparse):
        with open(path, "wb") as file:
            file.truncate(entry.size)
            for offset, data in entry.data:
                os.pwrite(file.fileno(), data, offset)
    elif isinstance(entry, Symlink):
        os.symlink(entry.target, path)
    elif isinstance(entry, Hardlink):
        links.append((path, entry.path))
    elif isinstance(entry, Fifo):
        os.mkfifo(path)
    elif isinstance(entry, Socket):
        _bind(path)
    else:
        os.mknod(path, entry.mode, entry.number)


def _bind(path: bytes) -> None:
    """Make a socket, whose path may be longer than its address allows."""
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(b"/proc/self/fd/%d/%s" % (directory, os.path.basename(path)))
    finally:
        os.close(directory)


def _finish(path: bytes, entry: Entry) -> None:
    """Metadata, children before their directory."""
    if isinstance(entry, Dir):
        for name, child in entry.entries.items():
            _finish(os.path.join(path, name), child)
    if isinstance(entry, (File, Dir)):
        if entry.owner is not None:
            os.chown(path, *entry.owner)
        for name, value in entry.xattrs.items():
            os.setxattr(path, name, value)
        os.chmod(path, entry.mode)
    elif isinstance(entry, Fifo):
        os.chmod(path, entry.mode)
    mtime_ns = getattr(entry, "mtime_ns", None)
    if mtime_ns is None and isinstance(entry, Dir):
        mtime_ns = DIRECTORY_TIME  # or two trees would differ where a second ends while they are made
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
