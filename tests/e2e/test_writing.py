"""How files are written and which are: appended to, kept in part, put in place at the end, moved, limited."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable

import pytest

from arsync.config import CopyConfig
from arsync.engine.run import run
from arsync.engine.start import Workforce
from arsync.ui.text import TextSink
from support.commands import ARSYNC, Result, arsync, rsync
from support.commands import run as run_command
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9
HOUR = 3600 * 10**9


def lines(done: Result) -> list[bytes]:
    """The lines about entries; those about the run, and how it was done, differ."""
    notes = re.compile(rb"[.>chL*][fdLDS]|(sender removed|backed up) |.* (is (over|under) m..-size)$")
    return sorted(line for line in done.lines if notes.match(line))


def compare(here: bytes, src: Dir, dst: Dir, *options: str, code: int = 0, err: bytes | None = b"") -> None:
    """Run rsync and arsync on trees of their own: the same trees on both sides, the same lines and exit code."""
    found = []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        create(os.path.join(top, b"src"), src)
        create(os.path.join(top, b"dst"), dst)
        os.mkdir(os.path.join(top, b"other"))
        done = command(*options, b"src/", b"dst", cwd=top)
        found.append((done, snapshot(top)))
    (expected, one), (actual, other) = found
    assert (actual.code, expected.code) == (code, code), actual.err
    assert lines(actual) == lines(expected)
    for tree in (one, other):
        for entry in tree.values():
            if entry["type"] == "d":
                del entry["mtime"]  # entries are made and removed in them
    assert_same(one, other)
    if err is not None:
        assert actual.err == err


GROWING = Dir(
    {
        b"short": File(b"12345678", mtime_ns=T),
        b"other": File(b"12345678", mtime_ns=T),
        b"equal": File(b"same", 0o600, T),
        b"longer": File(b"lit", 0o600, T),
        b"same": File(b"12", 0o600, T),
        b"new": File(b"n", mtime_ns=T),
        b"linked": File(b"12345", mtime_ns=T),
        b"empty": File(b"grown", mtime_ns=T),
        b"large": File(b"large" * 400_000, mtime_ns=T),
    }
)
GROWN = Dir(
    {
        b"short": File(b"1234", mtime_ns=T - HOUR),
        b"equal": File(b"SAME", mtime_ns=T - HOUR),
        b"longer": File(b"longer", mtime_ns=T - HOUR),
        b"same": File(b"34", mtime_ns=T),
        b"linked": File(b"12", mtime_ns=T),
        b"link": Hardlink(b"linked"),
        b"empty": File(mtime_ns=T),
        b"large": File(b"large" * 300_000, mtime_ns=T),
    }
)
OTHER = Dir({**GROWN.entries, b"other": File(b"XXXX", mtime_ns=T - HOUR)})


@pytest.mark.parametrize("more", [[], ["-n"], ["-c"], ["-I"], ["--backup-dir=kept"], ["-H"], ["--no-whole-file"]])
def test_append(here: bytes, more: list[str]) -> None:
    """What is shorter is completed, wrong or not; what is not shorter is left alone."""
    compare(here, GROWING, OTHER, "-ai", "--append", *more)


@pytest.mark.parametrize("more", [[], ["-c"], ["--backup-dir=kept"], ["--io-engine=uring"]])
def test_append_verify(here: bytes, more: list[str]) -> None:
    """The same where the beginning is right."""
    ours = [option for option in more if option.startswith("--io")]
    if ours:
        create(os.path.join(here, b"src"), GROWING)
        create(os.path.join(here, b"dst"), GROWN)
        if (done := arsync("-a", "--append-verify", *ours, here + b"/src/", here + b"/dst")).code == 4:
            pytest.skip("no io_uring here")
        assert done.code == 0
        for name in (b"short", b"large"):
            assert _content(here, b"dst", name) == _content(here, b"src", name)
    else:
        compare(here, GROWING, GROWN, "-ai", "--append-verify", *more)


def test_append_verify_finds_another_beginning(here: bytes) -> None:
    """It is copied whole, with a warning; rsync, which appends first and then looks, has a second line for it."""
    create(os.path.join(here, b"src"), GROWING)
    create(os.path.join(here, b"dst"), OTHER)
    done = arsync("-ai", "--append-verify", here + b"/src/", here + b"/dst")
    assert (done.code, done.lines.count(b">f.st...... other")) == (0, 1)
    assert b"the source does not begin with what it holds" in done.err
    assert _content(here, b"dst", b"other") == b"12345678"


def _content(*path: bytes) -> bytes:
    with open(os.path.join(*path), "rb") as file:
        return file.read()


SIZES = Dir(
    {
        b"0": File(mtime_ns=T),
        b"1": File(b"1", mtime_ns=T),
        b"5": File(b"12345", mtime_ns=T),
        b"10": File(b"1234567890", mtime_ns=T),
        b"linked": Hardlink(b"10"),
        b"symlink": Symlink(b"1234567890", T),
        b"sub": Dir({b"9": File(b"123456789", mtime_ns=T), b"2": File(b"12", mtime_ns=T)}, mtime_ns=T),
    },
    mtime_ns=T,
)


@pytest.mark.parametrize("mode", ["-aivv", "-anivv", "-aH"])
@pytest.mark.parametrize("more", [[], ["--existing"], ["--ignore-existing"], ["-u"]], ids=" ".join)
@pytest.mark.parametrize(
    "sizes",
    [["--max-size=5"], ["--min-size=5"], ["--max-size=5", "--min-size=6"], ["--max-size=0"], ["--min-size=4b+1"]],
)
def test_sizes(here: bytes, mode: str, more: list[str], sizes: list[str]) -> None:
    """Files of other sizes are left out, nothing else is."""
    if "--existing" in more and mode == "-aH":
        pytest.skip("rsync hangs")
    there = Dir({b"10": File(b"old", mtime_ns=T - HOUR)} if more != ["--ignore-existing"] else {}, mtime_ns=T)
    compare(here, SIZES, there, mode, *more, *sizes)


MOVING = Dir(
    {
        b"new": File(b"new", mtime_ns=T),
        b"changed": File(b"changed", mtime_ns=T),
        b"same": File(b"same", mtime_ns=T),
        b"symlink": Symlink(b"x", T),
        b"fifo": Fifo(mtime_ns=T),
        b"large": File(b"large" * 400_000, mtime_ns=T),
        b"a": File(b"linked", mtime_ns=T),
        b"b": Hardlink(b"a"),
        b"sub": Dir({b"c": Hardlink(b"a"), b"d": File(b"d", mtime_ns=T), b"empty": Dir()}, mtime_ns=T),
    },
    mtime_ns=T,
)
MOVED = Dir(
    {b"changed": File(b"old", mtime_ns=T), b"same": File(b"same", mtime_ns=T), b"b": File(b"old b", mtime_ns=T)},
    mtime_ns=T,
)


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["-H"],
        ["-n"],
        ["--delay-updates"],
        ["-H", "--delay-updates"],
        ["--ignore-existing"],
        ["--existing"],
        ["--max-size=10"],
        ["-T", "other"],
        ["-l", "--no-D", "--no-l"],
    ],
    ids=" ".join,
)
def test_remove_source_files(here: bytes, more: list[str]) -> None:
    """What is at the destination now is removed from the source, directories are not."""
    more = [os.fsdecode(here) if option == "other" else option for option in more]
    compare(here, MOVING, MOVED, "-aivv", "--remove-source-files", *more)


def test_a_source_that_is_the_destination_is_not_removed(here: bytes) -> None:
    """Neither by the same directory, nor by a hard link to it."""
    create(os.path.join(here, b"src"), Dir({b"a": File(b"a"), b"b": File(b"b")}))
    for command in (rsync, arsync):
        assert command("-a", "--remove-source-files", b"src/", b"src", cwd=here).code == 23
        assert sorted(os.listdir(os.path.join(here, b"src"))) == [b"a", b"b"]


def test_a_source_that_could_not_be_copied_stays(here: bytes) -> None:
    create(os.path.join(here, b"src"), Dir({b"a": File(b"a"), b"b": File(b"b")}))
    create(os.path.join(here, b"dst"), Dir({b"a": Dir({b"in": File()})}))
    assert arsync("-a", "--remove-source-files", b"src/", b"dst", cwd=here).code == 23
    assert os.listdir(os.path.join(here, b"src")) == [b"a"]


@pytest.mark.parametrize(
    "more",
    [
        ["--delay-updates"],
        ["-H", "--delay-updates"],
        ["--delay-updates", "--partial-dir=.parts"],
        ["--delay-updates", "-n"],
        ["--delay-updates", "--backup-dir=kept"],
        ["--partial"],
        ["--partial-dir=.parts"],
        ["-T", "/tmp"],
        ["-T", "/tmp", "--delay-updates", "--backup-dir=../other/kept"],
        ["--preallocate"],
        ["--fsync"],
        ["--fsync", "--inplace"],
        ["--bwlimit=50m", "--timeout=60"],
        ["--stop-after=5"],
    ],
    ids=" ".join,
)
def test_same_result(here: bytes, more: list[str]) -> None:
    """By whatever way the files come, the result is the same."""
    compare(here, MOVING, MOVED, "-ai", *more)


@pytest.mark.parametrize("place", ["--delay-updates", "--partial-dir=.parts"])
def test_strangers_in_a_staging_directory(here: bytes, place: str) -> None:
    """Files of another run: the ones of files that are copied go, the others stay, and so does the directory."""
    name = b".~tmp~" if place == "--delay-updates" else b".parts"
    there = Dir({name: Dir({b"new": File(b"stale", mtime_ns=T), b"else": File(b"stale", mtime_ns=T)}, 0o700)})
    compare(here, MOVING, there, "-ai", place)


@pytest.mark.parametrize("place", ["{}/dst/b", "{}/dst", "{}/other", "../dst", "../b"])
@pytest.mark.parametrize("more", [[], ["--delay-updates"]], ids=" ".join)
def test_files_that_are_no_parts(here: bytes, place: str, more: list[str]) -> None:
    """A --partial-dir that is not in each directory may hold anything: what is no part stays, and is what it was."""
    below = {name: Dir({b"x": File(name, mtime_ns=T), b"y": File(b"y")}, mtime_ns=T) for name in (b"a", b"b")}
    create(os.path.join(here, b"src"), Dir({b"x": File(b"new"), **below}, mtime_ns=T))
    create(os.path.join(here, b"dst"), Dir({b"x": File(b"old x"), b"b": Dir({b"x": File(b"b's x")})}))
    create(os.path.join(here, b"other"), Dir({b"x": File(b"mine")}))
    done = arsync("-a", "--partial-dir=" + place.format(os.fsdecode(here)), *more, b"src/", b"dst/", cwd=here)
    assert done.code == 0, done.err
    assert_same(snapshot(os.path.join(here, b"src")), snapshot(os.path.join(here, b"dst")))
    assert _content(here, b"other/x") == b"mine"


def test_a_planted_staging_directory_is_not_used(here: bytes) -> None:
    """What others may write to is no place for complete files."""
    create(os.path.join(here, b"src"), Dir({b"a": File(b"new")}))
    create(os.path.join(here, b"dst"), Dir({b".~tmp~": Dir({}, 0o777)}))
    done = arsync("-a", "--delay-updates", b"src/", b"dst", cwd=here)
    assert (done.code, b"others could change what is in .~tmp~" in done.err) == (23, True)
    assert b"a" not in os.listdir(os.path.join(here, b"dst"))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-T", "nowhere"], 1),
        (["-T", "a file"], 1),
        (["-n", "-T", "nowhere"], 1),
        (["-T", ""], 1),
        (["-T", "a file/x"], 11),
        (["--suffix="], 1),
        (["--suffix=", "--backup-dir=kept"], 0),
        (["--protocol=19"], 2),
        (["--protocol=33"], 2),
        (["--protocol=30"], 0),
        (["--append", "-W"], 1),
        (["--append", "--delay-updates"], 1),
        (["--append", "--partial-dir=x"], 1),
        (["--inplace", "--partial-dir=x"], 1),
        (["--inplace", "--delay-updates"], 1),
        (["--inplace", "--partial-dir=."], 1),
        (["--max-size=-1"], 1),
        (["--min-size=x"], 1),
        (["--bwlimit=0.1"], 1),
        (["--bwlimit=x"], 1),
        (["--timeout=x"], 1),
        (["--stop-after=0"], 1),
        (["--stop-after=x"], 1),
        (["--stop-after=1.5"], 0),
        (["--stop-after=+5"], 0),
        (["--stop-after= 5"], 0),
        (["--stop-at=2000-12-31T23:59"], 1),
        (["--stop-at=13-1"], 1),
        (["--stop-at=1-32"], 1),
        (["--stop-at=24:00"], 1),
        (["--stop-at="], 1),
        (["--stop-at=:"], 1),
        (["--stop-at=1T5"], 1),
        (["--stop-at=2200/1/1"], 0),
        (["--stop-at=99-1-1"], 0),
        (["--stop-at=31"], 0),
        (["--stop-at=2-29"], 0),
        (["--stop-at=:59"], 0),
        (["--stop-at=23:59"], 0),
        (["--stop-at=T5:00"], 0),
    ],
    ids=str,
)
def test_arguments(here: bytes, options: list[str], code: int) -> None:
    """What rsync refuses is refused, with its exit code, and nothing is done."""
    if time.localtime()[3:5] >= (23, 58) or time.localtime()[4] >= 58:
        pytest.skip("the time is about to come")
    compare(
        here,
        Dir({b"a": File(b"a", mtime_ns=T)}),
        Dir({b"a file": File(mtime_ns=T)}),
        "-a",
        *options,
        code=code,
        err=None,
    )


@pytest.mark.parametrize(
    ("option", "text"),
    [
        *(("--max-delete", text) for text in ("", "-1", " 5", "5 ", "+3", "3x", "0x10", "010", "09", "9" * 11, "1_0")),
        *((option, text) for option in ("--timeout", "--modify-window") for text in ("", "-1", "0x10", "5 ", "9" * 11)),
        *((option, text) for option in ("--bwlimit", "--max-size") for text in ("", "-1", "0x10", "5 ")),
        *(("--min-size", ""), ("--block-size", ""), ("--max-alloc", ""), ("--block-size", "-1")),
        *(("--compress-level", ""), ("--compress-threads", "3x"), ("--port", "0x10"), ("--checksum-seed", "9" * 11)),
    ],
)  # fmt: skip
def test_numbers(here: bytes, option: str, text: str) -> None:
    """What is a number, and what it means: nothing at all is 0, and 0x and 0 begin other bases."""
    create(os.path.join(here, b"src"), Dir({b"a": File(b"a"), b"b": File(), b"c": File(b"c" * 17)}))
    found = []
    for command in (rsync, arsync):
        create(os.path.join(here, command.__name__.encode()), Dir({b"%02d" % n: File() for n in range(20)}))
        done = command("-r", "--del", "--out-format=%n", f"{option}={text}", "src/", command.__name__, cwd=here)
        found.append((done.code, done.lines))
    assert found[1] == found[0]


@pytest.mark.parametrize("text", [".", "2.", "KB", ".01K", "1+1", "+1", "1-1", "1+1+1", "1.5.2"])
def test_what_a_size_is(here: bytes, text: str) -> None:
    sizes = Dir({b"%d" % size: File(b"x" * size) for size in (0, 1, 2, 3, 9, 10, 11, 12)})
    create(os.path.join(here, b"src"), sizes)
    theirs, ours = (
        command("-r", "--out-format=%n", f"--max-size={text}", "src/", command.__name__, cwd=here)
        for command in (rsync, arsync)
    )
    assert (ours.code, ours.lines) == (theirs.code, theirs.lines)


@pytest.mark.parametrize("option", ["--preallocate", "-S"])
def test_preallocated(here: bytes, option: str) -> None:
    """All blocks are there, of a file of zeros too, unless -S makes holes."""
    create(os.path.join(here, b"src"), Dir({b"a": Sparse(1 << 20, ((1 << 19, b"x"),))}))
    assert arsync("-a", "--preallocate", option, b"src/", b"dst", cwd=here).code == 0
    blocks = os.stat(os.path.join(here, b"dst", b"a")).st_blocks * 512
    assert (blocks >= 1 << 20) == (option == "--preallocate")
    assert _content(here, b"dst", b"a") == _content(here, b"src", b"a")


def test_fsync(here: bytes) -> None:
    """The file is on the disk before it has its name, and the name is before the end."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    create(os.path.join(here, b"src"), Dir({b"a": File(b"a"), b"b": File(b"b")}))
    create(os.path.join(here, b"dst"), Dir({b"a": File(b"old one")}))
    calls = ["strace", "-f", "-e", "trace=fsync,linkat,renameat,renameat2", "-o", here + b"/calls", *ARSYNC]
    done = subprocess.run([*calls, "-a", "--fsync", here + b"/src/", here + b"/dst"], capture_output=True, check=False)
    if done.returncode and b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    seen = re.findall(rb"^\d+ +(\w+)\(", _content(here, b"calls"), re.M)
    assert seen == [b"fsync", b"renameat", b"fsync", b"fsync", b"linkat", b"fsync"]


# Interrupts


def part_of(process: subprocess.Popen[bytes], dst: bytes) -> None:
    """Wait until some of a file has been written below ``dst``, whether it has a name or not."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            pids = [process.pid, *map(int, file.read().split())]
        for pid in pids:
            if any(_is_part(f"/proc/{pid}/fd/{fd}", dst) for fd in os.listdir(f"/proc/{pid}/fd")):
                return
        time.sleep(0.01)
    pytest.fail("nothing was written")


def _is_part(link: str, dst: bytes) -> bool:
    try:
        return (
            os.fsencode(os.readlink(link)).startswith(dst + b"/")
            and os.stat(link).st_size > 200_000
            and (stat.S_ISREG(os.stat(link).st_mode))
        )
    except FileNotFoundError:
        return False


LARGE = os.urandom(1 << 16) * 64


def interrupt(
    here: bytes,
    there: dict[bytes, Entry],
    *options: str,
    code: int = 20,
    number: int = signal.SIGINT,
    small: tuple[bytes, ...] = (b"a",),
    before: Callable[[bytes], object] = lambda dst: None,
) -> bytes:
    """Interrupt the copy of a large file in its middle, when ``before`` has been called with the destination, which is
    returned."""
    files: dict[bytes, Entry] = {name: File(b"small", mtime_ns=T) for name in small}
    create(os.path.join(here, b"src"), Dir(files | {b"large": File(LARGE, 0o640, T)}, mtime_ns=T))
    dst = os.path.join(here, b"dst")
    create(dst, Dir(there))
    process = subprocess.Popen(
        [*ARSYNC, "-a", "--bwlimit=1000", *options, here + b"/src/", dst],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    part_of(process, dst)
    before(dst)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    return dst


OLD: dict[bytes, Entry] = {b"large": File(b"old", mtime_ns=T)}


@pytest.mark.parametrize("more", [[], ["--workers=1"]], ids=" ".join)
@pytest.mark.parametrize(
    ("options", "there", "names", "part"),
    [
        ([], {}, {b"a"}, None),
        ([], OLD, {b"a", b"large"}, None),
        (["--partial"], {}, {b"a", b"large"}, b"large"),
        (["--partial"], OLD, {b"a", b"large"}, None),
        (["--partial-dir=.p"], OLD, {b"a", b"large", b".p"}, b".p/large"),
        (["--partial-dir=.p"], {}, {b"a", b".p"}, b".p/large"),
        (["--delay-updates"], OLD | {b"a": File(b"old")}, {b"a", b"large"}, None),
        (["--delay-updates", "--partial"], OLD, {b".~tmp~", b"large"}, b".~tmp~/large"),
    ],
)
def test_interrupted(
    here: bytes, options: list[str], there: dict[bytes, Entry], names: set[bytes], part: bytes | None, more: list[str]
) -> None:
    """The part is the beginning of the file, an old file is still whole, and the next run makes all right."""
    dst = interrupt(here, there, *options, *more)
    assert set(os.listdir(dst)) == names
    if there:
        assert _content(dst, b"large") == b"old"
        assert _content(dst, b"a") == (b"old" if b"a" in there else b"small") if b"a" in names else True
    if part is not None:
        found = os.stat(os.path.join(dst, part))
        assert 200_000 < found.st_size < len(LARGE)
        assert LARGE.startswith(_content(dst, part))
        assert stat.S_IMODE(found.st_mode) == 0o640
    assert arsync("-a", *options, here + b"/src/", dst).code == 0
    assert_same(snapshot(os.path.join(here, b"src")), snapshot(dst))


def test_interrupted_where_no_parts_are_kept(here: bytes) -> None:
    """A part takes the place of no other file: neither of the old one, nor of a stranger."""
    dst = interrupt(here, OLD, f"--partial-dir={os.fsdecode(here)}/dst")
    assert _content(dst, b"large") == b"old"
    shutil.rmtree(dst)
    shutil.rmtree(os.path.join(here, b"src"))
    create(os.path.join(here, b"mine"), Dir({b"large": File(b"mine")}))
    interrupt(here, OLD, f"--partial-dir={os.fsdecode(here)}/mine")
    assert _content(here, b"mine/large") == b"mine"


def test_interrupted_append(here: bytes) -> None:
    """What was appended is right as far as it goes: the next run goes on from there."""
    dst = interrupt(here, {b"large": File(LARGE[:300_000], mtime_ns=T)}, "--append")
    assert LARGE.startswith(_content(dst, b"large"))
    assert arsync("-a", "--append", here + b"/src/", dst).code == 0
    assert _content(dst, b"large") == LARGE


def test_interrupted_while_updates_wait_of_which_one_is_gone(here: bytes) -> None:
    """All others that wait are removed all the same, and the directory that they were in."""
    small = (b"a", b"b", b"c")

    def remove(dst: bytes) -> None:
        waiting = [os.path.join(dst, b".~tmp~", name) for name in small]
        while not all(map(os.path.exists, waiting)):
            time.sleep(0.01)
        os.unlink(waiting[0])

    dst = interrupt(here, {name: File(b"old") for name in small}, "--delay-updates", small=small, before=remove)
    assert set(os.listdir(dst)) == set(small)
    assert [_content(dst, name) for name in small] == [b"old"] * 3


def test_killed_while_updates_wait(here: bytes) -> None:
    """Nothing new stands under a name."""
    dst = interrupt(here, OLD | {b"a": File(b"old")}, "--delay-updates", code=-9, number=signal.SIGKILL)
    assert (_content(dst, b"a"), _content(dst, b"large")) == (b"old", b"old")
    deadline = time.monotonic() + 10
    while arsync("-a", "--delay-updates", here + b"/src/", dst).code and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (_content(dst, b"a"), _content(dst, b"large")) == (b"small", LARGE)


# Limits


@pytest.mark.parametrize("options", [["--workers=2"], ["--io-engine=plain"], ["-S"], ["--inplace"]])
def test_bwlimit(here: bytes, options: list[str]) -> None:
    """No faster than asked for, whoever copies."""
    create(os.path.join(here, b"src"), Dir({b"%d" % n: File(LARGE[: 1 << 19]) for n in range(4)}))
    begin = time.monotonic()
    assert arsync("-a", "--bwlimit=2m", *options, b"src/", b"dst", cwd=here).code == 0
    assert time.monotonic() - begin > 0.8
    assert_same(snapshot(os.path.join(here, b"src")), snapshot(os.path.join(here, b"dst")))


def test_timeout(here: bytes) -> None:
    """A worker that does nothing any more ends the run: exit code 30."""
    create(os.path.join(here, b"src"), Dir({b"large": File(LARGE)}))
    dst = os.path.join(here, b"dst")
    create(dst, Dir())
    process = subprocess.Popen(
        [*ARSYNC, "-a", "--workers=1", "--bwlimit=1000", "--timeout=1", here + b"/src/", dst], stderr=subprocess.PIPE
    )
    part_of(process, dst)
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        os.kill(int(file.read().split()[0]), signal.SIGSTOP)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, b"nothing could be done" in err) == (30, True), err
    assert os.listdir(dst) == []


def test_timeout_is_not_reached_by_what_goes_on(here: bytes) -> None:
    """A slow copy is no standstill."""
    create(os.path.join(here, b"src"), Dir({b"large": File(LARGE[: 1 << 21])}))
    assert arsync("-a", "--bwlimit=1m", "--timeout=1", b"src/", b"dst", cwd=here).code == 0


@pytest.mark.parametrize("method", ["copy_file_range", "mmap", "auto"])
def test_timeout_sees_slow_storage_work(here: bytes, method: str) -> None:
    """Under --timeout, large data moves in calls that are short enough to tell slow storage from none."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    create(os.path.join(here, b"src"), Dir({b"large": File(LARGE * 5)}))
    trace, calls = os.path.join(here, b"trace"), "trace=?copy_file_range,?write,?pwrite64"
    for seconds, expected in (("0", 1), ("60", 3)):
        shutil.rmtree(os.path.join(here, b"dst"), ignore_errors=True)
        command = [*ARSYNC, "-a", "--io-engine=plain", f"--copy-method={method}", f"--timeout={seconds}", "src/", "dst"]
        done = run_command(["strace", "-f", "-e", calls, "-o", trace, *command], cwd=here)
        if b"ptrace" in done.err.lower():
            pytest.skip(os.fsdecode(done.err))
        assert done.code == 0, done.err
        assert _content(here, b"dst/large") == LARGE * 5
        with open(trace, "rb") as file:
            sizes = [int(size) for size in re.findall(rb"\) += (\d{6,})", file.read())]
        assert sum(sizes) == len(LARGE) * 5
        assert (len(sizes) >= expected, max(sizes) <= 2 << 20) == (True, seconds != "0" or method == "auto")


@pytest.mark.parametrize("workers", [[], ["--workers=1"]])
def test_stop_at(here: bytes, workers: list[str]) -> None:
    """At its time the run ends in order, with rsync's exit code; what is whole stays."""
    create(os.path.join(here, b"src"), Dir({b"a": File(b"small"), b"large": File(LARGE)}))
    dst = os.path.join(here, b"dst")
    create(dst, Dir({b"large": File(b"old")}))
    config = CopyConfig(
        (os.path.join(here, b"src/"),),
        dst,
        recursive=True,
        bwlimit=1 << 20,
        stop_at=time.time() + 1,
        workers=len(workers),
    )
    with open(os.path.join(here, b"out"), "wb") as out, open(os.path.join(here, b"err"), "wb") as errors:
        assert run(config, TextSink(config, out, errors), Workforce()) == 30
    assert b"stopped at the time" in _content(here, b"err")
    assert set(os.listdir(dst)) == {b"a", b"large"}
    assert _content(dst, b"large") == b"old"
