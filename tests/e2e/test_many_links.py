"""Many hard links (-H), of which most are there already: those that are not are found, and made as rsync makes them."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot

SNAPSHOTS, FILES = 4, 80
T = 10**18


def _make(top: bytes) -> None:
    """Snapshots that share their files; between them stand files of one name."""
    for number in range(SNAPSHOTS):
        where = os.path.join(top, b"snap%d" % number)
        os.makedirs(where)
        for file in range(FILES):
            path = os.path.join(where, b"f%02d" % file)
            if number and file % 7:
                os.link(os.path.join(top, b"snap0", b"f%02d" % file), path)
                continue
            with open(path, "wb") as out:
                out.write(b"%d %d" % (number, file))
            os.utime(path, ns=(T, T + number * FILES + file))
    _settle(top)


def _settle(top: bytes) -> None:
    for where, directories, _ in os.walk(top):
        for name in directories:
            os.utime(os.path.join(where, name), ns=(T, T))
    os.utime(top, ns=(T, T))


def _disturb(top: bytes) -> None:
    """What can be wrong with a copy's links."""

    def at(number: int, file: int) -> bytes:
        return os.path.join(top, b"snap%d" % number, b"f%02d" % file)

    os.unlink(at(1, 1))  # a link is missing
    os.unlink(at(0, 2))  # the first name is missing
    for number in range(SNAPSHOTS):
        os.unlink(at(number, 3))  # all are
    os.unlink(at(2, 4))  # a copy of its own in the place of a link
    with open(at(2, 4), "wb") as out:
        out.write(b"0 4")
    os.utime(at(2, 4), ns=(T, T + 4))
    with open(at(0, 5), "ab") as out:  # other contents under all names
        out.write(b"more")
    os.unlink(at(3, 6))  # a link to another file
    os.link(at(3, 8), at(3, 6))
    os.unlink(at(1, 9))
    os.mkdir(at(1, 9))  # something else there
    os.unlink(at(1, 10))
    os.symlink(b"f11", at(1, 10))
    os.chmod(at(0, 12), 0o600)
    _settle(top)


def _comparable(lines: list[bytes], *, dry_run: bool) -> list[bytes]:
    """Without what is meant to differ: of what stood there as something else (09, 10) rsync shows what about it
    differs, arsync that the link is new; in a dry run rsync shows what differs (05, 12) once for each link."""
    hidden = (b"/f09 ", b"/f10 ", *((b"hf.st...... ", b"hf...p..... ") if dry_run else ()))
    return sorted(line for line in lines if not any(part in line for part in hidden))


@pytest.mark.needs_rsync
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(
    "options", [[], ["--delete"], ["-n"], ["--delay-updates"], ["-b"], ["--size-only"], ["--ignore-existing"]], ids=str
)
def test_as_rsync_makes_them(here: bytes, options: list[str], workers: int) -> None:
    src, first = os.path.join(here, b"src"), os.path.join(here, b"copy")
    _make(src)
    subprocess.run([b"cp", b"-a", src, first], check=True)
    _disturb(first)
    trees, lines = [], []
    for command, given in ((rsync, []), (arsync, [f"--workers={workers}"])):
        dst = os.path.join(here, b"dst")
        subprocess.run([b"cp", b"-a", first, dst], check=True)
        done = command("-aiH", *options, *given, src + b"/", dst + b"/")
        assert (done.code, done.err) == (0, b"")
        lines.append(_comparable(done.lines, dry_run="-n" in options))
        trees.append(snapshot(dst, times="-b" not in options))
        if "-n" not in options:
            assert command("-aiH", *options, src + b"/", dst + b"/").out == b""
        os.rename(dst, dst + command.__name__.encode())
    assert lines[1] == lines[0]
    assert_same(trees[0], trees[1])


@pytest.mark.needs_rsync
@pytest.mark.parametrize("workers", [1, 2])
def test_new_and_then_nothing(here: bytes, workers: int) -> None:
    """Names of one inode beside files of their own, all small: nothing is left for rsync."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    _make(src)
    assert arsync("-aH", f"--workers={workers}", src + b"/", dst).err == b""
    assert_same(snapshot(src), snapshot(dst))
    assert arsync("-aiH", f"--workers={workers}", src + b"/", dst).out == b""
    assert rsync("-aiH", src + b"/", dst).out == b""


@pytest.mark.needs_rsync
@pytest.mark.parametrize("options", ["-aiHu", "-aiHu --force", "-aiHb", "-naiHu", "-aiH --ignore-existing"])
def test_neighbours_of_which_some_cannot_be_copied(here: bytes, options: str) -> None:
    """Names that are copied together, and others linked to them: here something else stands in the way of one, there
    something newer that is left alone, and there the same already."""
    for top in (b"src", b"rsync", b"arsync"):
        os.mkdir(os.path.join(here, top))
    for file in range(90):
        first, second = (os.path.join(here, b"src", b"%s%02d" % (letter, file)) for letter in (b"f", b"g"))
        with open(first, "wb") as out:
            out.write(b"%d" % file)
        os.utime(first, ns=(T, T))
        os.link(first, second)
        for top in (b"rsync", b"arsync"):
            for letter in (b"f", b"g"):
                _stand_in_the_way(
                    os.path.join(here, top, b"%s%02d" % (letter, file)), file, letter, "--force" in options
                )
    for top in (b"src", b"rsync", b"arsync"):
        _settle(os.path.join(here, top))
    words = options.split()
    theirs, ours = rsync(*words, "src/", "rsync", cwd=here), arsync(*words, "src/", "arsync", cwd=here)
    assert ours.code == theirs.code
    if "n" not in words[0]:
        assert _without_flags_of_links(ours.lines) == _without_flags_of_links(theirs.lines)
    assert_same(*(snapshot(os.path.join(here, top), times=False) for top in (b"rsync", b"arsync")))


def _without_flags_of_links(lines: list[bytes]) -> list[bytes]:
    """What about a link differs from something else that stood there, rsync shows and arsync does not."""
    return sorted(re.sub(rb"^hf\S+ +", b"hf ", line) for line in lines)


def _stand_in_the_way(path: bytes, file: int, letter: bytes, directories: bool) -> None:
    kind = file % 6 if letter == b"g" else file % 5
    if kind == 1 and not directories:
        os.symlink(b"nowhere", path)
    elif kind == 1:
        os.makedirs(os.path.join(path, b"inner"))
    elif kind in (2, 3):
        with open(path, "wb") as out:
            out.write(b"%d" % file if kind == 2 else b"newer than it was")
        os.utime(path, ns=(T, T if kind == 2 else T + 10**12))
