"""--fsync and --syncfs: what is reported is on the disk. strace tells in which order the kernel was asked."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator

import pytest

from support.commands import ARSYNC, arsync, rsync, run
from support.mounts import tmpfs
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Fifo, File, Hardlink, Symlink, create

T = 10**18
NAMING = {"linkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "symlinkat", "mknodat"}


def _trace(here: bytes, *arguments: bytes | str) -> Iterator[tuple[str, bytes]]:
    """The calls that succeed of a run: their names, and their arguments with the paths of descriptors."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = "trace=fsync,fdatasync,syncfs,write," + ",".join(sorted(NAMING))
    output = os.path.join(here, b"trace")
    done = run(["strace", "-f", "-y", "-s", "4096", "-e", calls, "-o", output, *ARSYNC, *arguments])
    if b"ptrace" in done.err or b"PTRACE" in done.err:
        pytest.skip(os.fsdecode(done.err))
    assert (done.code, done.err) == (0, b"")
    with open(output, "rb") as file:
        for line in _whole_lines(file):
            if found := re.search(rb"(\w+)\((.*)\) += \d+", line):
                yield found[1].decode(), found[2]


def _whole_lines(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Calls during which another process made some are told in two parts: they count when they end."""
    begun: dict[bytes, bytes] = {}
    for line in lines:
        pid, _, rest = line.partition(b" ")
        if rest.rstrip().endswith(b"<unfinished ...>"):
            begun[pid] = rest.strip().removesuffix(b"<unfinished ...>")
        elif resumed := re.match(rb" *<\.\.\. \w+ resumed>(.*)", rest):
            yield begun.pop(pid) + resumed[1]
        else:
            yield rest


def _path(arguments: bytes) -> bytes:
    """The path of the descriptor that is the first argument."""
    return re.match(rb"\d+<(.*?)>", arguments)[1]  # type: ignore[index]


def _last(arguments: bytes) -> bytes:
    """The base of the last name among the arguments."""
    return os.path.basename((re.findall(rb'"(.*?)"', arguments) or [b""])[-1])


def _tree(here: bytes) -> bytes:
    entries = {b"f": File(b"new", mtime_ns=T), b"s": Symlink(b"t", T), b"p": Fifo(mtime_ns=T), b"h": Hardlink(b"d/f")}
    create(os.path.join(here, b"src"), Dir({b"d": Dir(entries, mtime_ns=T)}, mtime_ns=T))
    return os.path.join(here, b"src") + b"/"


@pytest.mark.parametrize("old", [False, True], ids=["fresh", "old"])
@pytest.mark.parametrize("workers", ["0", "1"])
def test_fsync_in_order(here: bytes, old: bool, workers: str) -> None:
    """A file is on the disk before it has its name, and its name and the way to it are before it is reported."""
    src, dst = _tree(here), os.path.join(here, b"dst")
    if old:
        create(dst, Dir({b"d": Dir({b"f": File(b"old file"), b"s": Symlink(b"old")})}))
    options = ("-aHi", "--fsync", "--io-engine=plain", f"--workers={workers}")
    calls = list(_trace(here, *options, src, dst))
    synced = [(index, _path(arguments)) for index, (call, arguments) in enumerate(calls) if call == "fsync"]
    told = {
        name: next(i for i, (call, text) in enumerate(calls) if call == "write" and b" " + name in text)
        for name in (b"d/f", b"d/s", b"d/p", b"d/h")
    }
    directories = dict.fromkeys(told, dst + b"/d") | ({} if old else {b"d": dst, b"dst": here})
    for name, directory in directories.items():
        base = os.path.basename(name)
        named = max(i for i, (call, arguments) in enumerate(calls) if call in NAMING and _last(arguments) == base)
        until = told.get(name, told[b"d/f"])
        assert any(path == directory and named < i < until for i, path in synced), name
    data = [i for i, path in synced if re.fullmatch(re.escape(dst) + rb"/d/(#\d+|\.f\.......)", path)]
    named = max(i for i, (call, arguments) in enumerate(calls) if call in NAMING and _last(arguments) == b"f")
    assert len(data) == 1
    assert data[0] < named
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_syncfs_before_the_end(here: bytes, workers: str) -> None:
    """Once for each file system that was written to, when all is written and before the last line."""
    src, dst = _tree(here), os.path.join(here, b"dst")
    create(os.path.join(here, b"src"), Dir({b"m": Dir({b"f": File(b"f")})}))
    os.makedirs(os.path.join(dst, b"m"))
    with tmpfs(os.path.join(dst, b"m"), "size=1m"):
        calls = list(_trace(here, "-a", "--stats", "--syncfs", f"--workers={workers}", src, dst))
    synced = [index for index, (call, _) in enumerate(calls) if call == "syncfs"]
    named = [index for index, (call, _) in enumerate(calls) if call in ("linkat", "symlinkat", "mknodat")]
    told = [index for index, (_, arguments) in enumerate(calls) if b"total size is" in arguments]
    assert len(synced) == 2
    assert max(named) < min(synced) <= max(synced) < told[0]


def test_no_syncfs_unasked(here: bytes) -> None:
    src = _tree(here)
    for options in ("-a",), ("-an", "--syncfs"):
        calls = {call for call, _ in _trace(here, *options, src, os.path.join(here, b"dst"))}
        assert not calls & {"syncfs", "fsync", "fdatasync"}


@pytest.mark.needs_rsync
@pytest.mark.parametrize("options", [["--fsync"], ["--fsync", "--syncfs"], ["--syncfs", "-b", "--backup-dir=../kept"]])
def test_same_as_rsync(here: bytes, options: list[str]) -> None:
    src = _tree(here)
    for name in (b"a/dst", b"r/dst"):
        create(os.path.join(here, name), Dir({b"d": Dir({b"f": File(b"old file", mtime_ns=T)}, mtime_ns=T)}))
    ours = arsync("-aHi", *options, src, os.path.join(here, b"a/dst"))
    theirs = rsync("-aHi", *(option for option in options if option != "--syncfs"), src, os.path.join(here, b"r/dst"))
    assert (ours.code, sorted(ours.lines), ours.err) == (theirs.code, sorted(theirs.lines), b"")
    assert_same(snapshot(os.path.join(here, b"r/dst")), snapshot(os.path.join(here, b"a/dst")))
