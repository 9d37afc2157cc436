"""What is printed, beside what rsync prints for the same trees."""

from __future__ import annotations

import os
import re

import pytest

from support.commands import arsync, rsync
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Symlink, create

pytestmark = pytest.mark.needs_rsync

T = 1_600_000_000 * 10**9

#: Every byte a name may hold, alone and in company, and what is or is nearly UTF-8 or an escape.
NAMES = [
    *(b"a%cz" % byte for byte in range(1, 256) if byte != ord("/")),
    "ünïcödé".encode(),
    "日本語".encode(),
    b"\xe6\x97",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\\#012",
    b"\\#01",
    b"\\\\#123",
    b"#123",
    b" leading",
    b"trailing ",
    b"two\nlines",
    b"\x1b[31mred",
]


def both(here: bytes, tree: Dir, *options: str, old: Dir | None = None) -> tuple[list[bytes], list[bytes]]:
    """The lines of rsync and of arsync for the same copy."""
    create(os.path.join(here, b"src"), tree)
    lines = []
    for command in (rsync, arsync):
        if old is not None:
            create(os.path.join(here, command.__name__.encode()), old)
        dst = os.path.join(here, command.__name__.encode())
        result = command(*options, os.path.join(here, b"src/"), dst)
        assert (result.code, result.err) == (0, b"")
        lines.append(result.out.replace(dst, b"DST").splitlines())
    return lines[0], lines[1]


@pytest.mark.parametrize("option", ["-ai", "-av", "-avi"])
def test_every_name_is_shown_the_same(here: bytes, option: str) -> None:
    tree = Dir({name: File(mtime_ns=T) for name in NAMES} | {b"l\n": Symlink(b"to\n\xff", T)}, mtime_ns=T)
    theirs, ours = both(here, tree, option)
    kept = [line for line in theirs if not line.startswith((b"sent ", b"total size"))]
    assert [line for line in ours if not line.startswith((b"sent ", b"total size"))] == kept


@pytest.mark.needs_root
@pytest.mark.parametrize("options", [["-aH"], ["-aHi"], ["-aHn"], ["-rlt"], ["-aHii", "--checksum"]])
def test_stats(here: bytes, options: list[str]) -> None:
    """The figures that do not count a protocol's bytes are rsync's."""
    entries: dict[bytes, Entry] = {
        b"f": File(b"x" * 1234, mtime_ns=T),
        b"same": File(b"s" * 99, mtime_ns=T),
        b"h": Hardlink(b"f"),
        b"l": Symlink(b"f", T),
        b"d": Dir({b"g": File(b"y" * 2_000_000, mtime_ns=T)}, mtime_ns=T),
        b"p": Fifo(),
        b"n": Device(0o20644, os.makedev(1, 3)),
    }
    if options == ["-rlt"]:
        del entries[b"p"], entries[b"n"]
    old = Dir({b"same": File(b"s" * 99, mtime_ns=T)}, mtime_ns=T)
    theirs, ours = both(here, Dir(entries, mtime_ns=T), *options, "--stats", old=old)
    counted = re.compile(
        rb"Number of (files|created files|deleted files|regular files transferred)|Total (transferred )?file size"
    )
    assert [line for line in theirs if counted.match(line)] == [line for line in ours if counted.match(line)]
    # The same lines in the same order, whatever they count; arsync adds how it worked.
    labels = [line.split(b":")[0] for line in theirs if b":" in line]
    assert [line.split(b":")[0] for line in ours if b":" in line][: len(labels)] == labels


def test_quiet_says_nothing(here: bytes) -> None:
    theirs, ours = both(here, Dir({b"f": File(b"1")}), "-aq", "--stats")
    assert theirs == ours == []
