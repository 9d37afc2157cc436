"""Names with control characters in them forge no line, wherever they are said."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from arsync.engine.temporaries import here as this_machine
from support.commands import NOBODY, arsync, arsync_as_nobody, rsync
from support.trees import Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink, create

T = 10**18

#: What ends a line, for a terminal, a pager or a program, and what a terminal takes for a command.
BREAKS = (b"\n", b"\r", b"\x1b[2K\r", b"\x0b", b"\x0c", b"\x1e", b"\xc2\x85", b"\xe2\x80\xa8", b"\xc2\x9b1A")

#: A line that did not happen.
FORGED = b"deleting everything"

NAMES = [b"a%bb" % (end + FORGED + end) for end in BREAKS]

_RAW = re.compile(rb"[\x00-\x08\x0b-\x1f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def _entries(mark: bytes) -> dict[bytes, Entry]:
    found: dict[bytes, Entry] = {}
    for number, name in enumerate(NAMES):
        found[mark + name] = File(mark, mtime_ns=T)
        found[mark + b"d" + name] = Dir({name: File(mark * 9, mtime_ns=T)}, mtime_ns=T)
        found[mark + b"s" + name] = Symlink(b"/nowhere/" + name, T)
        if not number % 3:
            found[mark + b"h" + name] = Hardlink(mark + name)
            found[mark + b"p" + name] = Fifo(mtime_ns=T)
    return found


@pytest.fixture
def trees(here: bytes) -> bytes:
    create(os.path.join(here, b"src"), Dir(_entries(b"") | {b"x": File(b"x"), b"dx": Dir({})}))
    shared: dict[bytes, Entry] = {name: File(b"old") for name in NAMES}
    create(os.path.join(here, b"dst"), Dir(_entries(b"old") | shared))
    return here


def check(text: bytes, *, eight_bit: bool = False) -> None:
    """That it says something of these names, in lines of its own only."""
    assert FORGED in text
    lines = re.split(b"\r?\n|\r| (?=\r)", text) if eight_bit else text.decode("utf-8", "replace").encode().split(b"\n")
    for line in lines:
        assert not line.startswith(FORGED), line
        if not eight_bit:
            assert not _RAW.search(line.lstrip(b"\r")), line


@pytest.mark.parametrize(
    "arguments",
    [
        ["-av"], ["-avv", "--delete"], ["-ai", "--delete-after", "-H"], ["-n", "-aii"], ["-a", "--list-only"],
        ["-a", "--out-format=%n|%f|%L|%i|%B|%o"], ["-a", "--info=all4", "--debug=all4"], ["-av", "--stats", "-h"],
        ["-a", "--progress"], ["-a", "--info=name2,progress2"], ["-abv", "--delete"], ["-r", "-v"],
        ["-av", "--safe-links"], ["-av", "--copy-unsafe-links"], ["-aL", "-v"], ["-avv", "--existing"],
        ["-avv", "--ignore-existing", "--info=skip2"], ["-avv", "--max-size=1"], ["-av", "--remove-source-files"],
        ["-av", "--max-delete=0", "--delete"], ["-avv", "--exclude=a*"], ["-dv"], ["-av", "--stderr=all"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_run(trees: bytes, arguments: list[str]) -> None:
    """Everything that is said of a run, and its log file."""
    done = arsync(*arguments, "--log-file=log", "src/", "dst", cwd=trees)
    check(done.out + done.err)
    with open(os.path.join(trees, b"log"), "rb") as file:
        log = file.read()
    for line in log.decode("utf-8", "replace").splitlines():
        assert re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\d+\] ", line), line


@pytest.mark.parametrize("arguments", [["-av8"], ["-ai8", "--delete"], ["-a8", "--list-only"]], ids=" ".join)
def test_eight_bits(trees: bytes, arguments: list[str]) -> None:
    """-8 leaves what is not ASCII as it is, and no more than that."""
    done = arsync(*arguments, "src/", "dst", cwd=trees)
    check(done.out + done.err, eight_bit=True)
    assert b"\xc2\x85" in done.out


@pytest.mark.needs_root
def test_errors(trees: bytes) -> None:
    """Failures of every kind, each once and more often than is shown."""
    for number in range(12):
        create(os.path.join(trees, b"src", b"%d\n" % number + FORGED), File(mode=0))
    os.chmod(os.path.join(trees, b"src/d" + NAMES[0]), 0)
    for directory, directories, names in os.walk(trees):
        for name in (*directories, *names, b""):
            os.chown(os.path.join(directory, name), NOBODY, NOBODY, follow_symlinks=False)
    os.chown(os.path.join(trees, b"dst"), 0, 0)
    done = arsync_as_nobody("-av", "--log-file=log", "src/", "dst", cwd=trees)
    assert done.code == 23
    check(done.err)
    assert b"files: " in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["-a", "{}", "dst"], ["-a", "src/", "dst/x/{}"], ["-a", "--files-from={}", "src/", "dst"],
        ["-a", "--exclude-from={}", "src/", "dst"], ["-a", "--link-dest=../{}", "src/", "new"],
        ["-a", "--temp-dir={}", "src/", "dst"], ["-a", "--{}", "src/", "dst"], ["-a", "--max-size={}", "src/", "dst"],
        ["-a", "host:{}", "dst"], ["-a", "--filter={}", "src/", "dst"], ["-a", "--chmod={}", "src/", "dst"],
        ["-a", "--log-file=no/{}", "src/x", "dst"], ["-aR", "../{}", "dst"], ["-a", "src/x", "src/{}", "dst/x"],
        ["-a", "--usermap={}:{}", "src/", "dst"], ["-a", "--info={}", "src/", "dst"], ["-a", "--bwlimit={}", "s", "d"],
        ["-a", "--mkpath", "src/x", "new/{}/"], ["-a", "--delete-guard", "--delete", "dst/{}/", "dst/"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_arguments(trees: bytes, arguments: list[str]) -> None:
    """A shell's pattern makes arguments of names."""
    create(os.path.join(trees, b"dst/x"), File(b"a file in the way"))
    name = os.fsdecode(b"a" + b"".join(end + FORGED for end in (b"\n", b"\r", b"\x1b[2K\r", b"\xc2\x85")))
    done = arsync(*(argument.replace("{}", name) for argument in arguments), cwd=trees)
    text = done.out + done.err
    assert not any(line.startswith(FORGED) for line in re.split(b"[\r\n]|\xc2\x85", text)), text
    assert not _RAW.search(text), text


def test_rules_of_a_merge_file(trees: bytes) -> None:
    """What somebody wrote into a merge file, and how that is called."""
    create(os.path.join(trees, b"src/d" + NAMES[0], b".rsync-filter"), File(b"?\x1b]0;" + FORGED + b"\r\n"))
    done = arsync("-aF", "src/", "dst", cwd=trees)
    assert done.code == 1
    assert not _RAW.search(done.err.replace(b"\n", b""))
    assert len(done.err.splitlines()) == 2


def test_merge_file_without_end(trees: bytes) -> None:
    """It is not read into memory."""
    path = os.path.join(trees, b"src/dx/.rsync-filter")
    create(path, Sparse(1 << 40))
    done = arsync("-aF", "src/", "dst", cwd=trees)
    assert done.code == 1
    assert done.err.startswith(b"arsync: a merge file is larger than 16 MiB: .rsync-filter\n")


def test_what_a_killed_run_left(trees: bytes) -> None:
    boot, machine = this_machine()
    os.setxattr(os.path.join(trees, b"dst"), b"user.arsync.unfinished.Abc", b"%b %b 0" % (boot, machine))
    create(os.path.join(trees, b"dst", b".a\n" + FORGED + b"\n.+AbcXy"), File())
    done = arsync("-rv", "--exclude=*", "--log-file=log", "src/", "dst", cwd=trees)
    assert b"removed a temporary file" in done.out
    check(done.out)
    with open(os.path.join(trees, b"log"), "rb") as file:
        assert len(file.read().splitlines()) == 4


@pytest.mark.needs_rsync
@pytest.mark.parametrize("arguments", [["-a", "--out-format=%n%L"], ["-a8i"], ["-an", "--list-only"]], ids=" ".join)
def test_as_rsync(here: bytes, arguments: list[str]) -> None:
    """The same escapes, but for the upper control characters and separators, which rsync shows."""
    names = [name for name, end in zip(NAMES, BREAKS) if end.isascii()]
    names += [b"\\#012", b"\\#01", b"\\", b"tab\t", b"del\x7f", b"\xff", b"\xc3\xa9", b"\xe2\x82", b" ", b"\x01\x1f"]
    tree: dict[bytes, Entry] = {name: File(mtime_ns=T) for name in names}
    create(os.path.join(here, b"src"), Dir(tree | {b"s": Symlink(NAMES[0], T)}, mtime_ns=T))
    outputs = []
    for command in (rsync, arsync):
        outputs.append(command(*arguments, "src/", "dst", cwd=here).out)
        shutil.rmtree(os.path.join(here, b"dst"), ignore_errors=True)
    assert outputs[1].replace(b"sending incremental file list\n", b"") == outputs[0]


@pytest.mark.timeout(60)
def test_log_file_that_is_a_fifo(trees: bytes) -> None:
    """Nobody reads it: the run says so, and does not wait."""
    os.mkfifo(os.path.join(trees, b"log"))
    done = arsync("-a", "--log-file=log", "src/x", "dst", cwd=trees)
    assert done.code == 0
    assert b"failed to open log-file log: No such device or address (6)" in done.err
