"""-b, --backup-dir and --suffix: what is replaced is kept as rsync keeps it, and nothing is lost where that fails."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

from support.commands import ARSYNC, Result, arsync, rsync
from support.mounts import delayfs, delayfs_server
from support.snapshot import Snapshot, assert_same, snapshot
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9
HOUR = 3600 * 10**9

SOURCE = Dir(
    {
        b"a": File(b"new", mtime_ns=T),
        b"same": File(b"same", mtime_ns=T),
        b"only here": File(b"x", mtime_ns=T),
        b"l": Symlink(b"new", T),
        b"to fifo": Fifo(mtime_ns=T),
        b"from fifo": File(b"file", mtime_ns=T),
        b"from link": File(b"file", mtime_ns=T),
        b"to directory": Dir({b"in": File(b"in", mtime_ns=T)}, mtime_ns=T),
        b"from directory": File(b"file", mtime_ns=T),
        b"sub": Dir({b"b": File(b"new", mtime_ns=T), b"deep": Dir({b"c": File(b"new")}, 0o750, T)}, 0o711, T),
    },
    mtime_ns=T,
)
DESTINATION: dict[bytes, Entry] = {
    b"a": File(b"old one", 0o600, T - HOUR, xattrs={b"user.x": b"1"}),
    b"same": File(b"same", mtime_ns=T),
    b"l": Symlink(b"old", T - HOUR),
    b"to fifo": File(b"old file", 0o640, T - HOUR),
    b"from fifo": Fifo(0o600, T - HOUR),
    b"from link": Symlink(b"nowhere", T - HOUR),
    b"to directory": File(b"old file", mtime_ns=T - HOUR),
    b"from directory": Dir(),
    b"sub": Dir(
        {b"b": File(b"old b", mtime_ns=T - HOUR), b"deep": Dir({b"c": File(b"old c", mtime_ns=T)}, 0o750, T)}, 0o711, T
    ),
    b"extra": File(b"extra", mtime_ns=T),
}


def lines(done: Result) -> list[bytes]:
    """The lines about entries; those about the run, and how it was done, differ. In a dry run rsync says twice that
    something in the way of a directory is backed up."""
    shown = (line for line in done.lines if line and (line[:1] in b".>chL*" or line.startswith((b"backed", b"sender"))))
    return sorted(set(shown))


def tree(top: bytes) -> Snapshot:
    """The tree; times of directories are those of the run where backups were made in them."""
    found = snapshot(top)
    for entry in found.values():
        if entry["type"] == "d":
            del entry["mtime"]
    return found


def both(here: bytes, destination: dict[bytes, Entry], *options: str) -> Iterator[tuple[Result, bytes]]:
    """Run rsync and arsync, each on its own destination in a directory of its own."""
    source = os.path.join(here, b"src")
    if not os.path.exists(source):
        create(source, SOURCE)
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        create(os.path.join(top, b"dst"), Dir(destination, mtime_ns=T))
        done = command(*options, source + b"/", b"dst", cwd=top)
        yield done, top


@pytest.mark.parametrize("options", [["-aivv"], ["-anivv"], ["-aivv", "--inplace"], ["-aivv", "--delay-updates"]])
@pytest.mark.parametrize(
    "how",
    [
        ["-b"],
        ["-b", "--suffix=.old"],
        ["--backup-dir=kept"],
        ["--backup-dir=../kept/deep/er", "--suffix=.old"],
        ["--backup-dir=sub/kept"],
    ],
    ids=" ".join,
)
def test_as_rsync(here: bytes, options: list[str], how: list[str]) -> None:
    """The same tree, wherever the backups are, and the same lines; and again where there are backups already."""
    for run in range(2):
        if run:
            os.utime(os.path.join(here, b"src", b"a"), ns=(T + HOUR, T + HOUR))
            os.utime(os.path.join(here, b"src", b"sub", b"b"), ns=(T + HOUR, T + HOUR))
        (expected, one), (actual, other) = both(here, {} if run else DESTINATION, *options, *how)
        if "--inplace" in options and "../" in how[0] and expected.code == 23:
            pytest.skip("rsync cannot do this (stat of a path with .. fails)")
        assert (actual.code, actual.err) == (expected.code, b"")
        # Whether a directory's time is set again is not a matter of backups.
        wanted, got = ([line for line in lines(done) if line[:2] != b".d"] for done in (expected, actual))
        assert got == wanted
        assert_same(tree(one), tree(other))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-b", "--suffix=a/b"], 1),
        (["-b", "--suffix="], 1),
        (["-b", "--suffix=", "--backup-dir=./"], 1),
        (["--backup-dir="], 1),
        (["--suffix=.x"], 0),
        (["--suffix="], 1),
        (["--backup-dir=/dev/null"], 1),
        (["--backup-dir=/dev/null/x"], 11),
        (["--backup-dir=extra"], 1),
        (["-n", "--backup-dir=extra"], 1),
        (["-n", "--backup-dir=extra/x/y"], 11),
        (["--backup-dir=nowhere"], 0),
    ],
)
def test_arguments(here: bytes, options: list[str], code: int) -> None:
    """What rsync refuses is refused, with its exit code."""
    (expected, one), (actual, other) = both(here, DESTINATION, "-ai", *options)
    assert (actual.code, expected.code) == (code, code)
    assert lines(actual) == lines(expected)
    assert_same(tree(one), tree(other))


def test_hard_links(here: bytes) -> None:
    """A link that replaces a file keeps it too."""
    create(
        os.path.join(here, b"src"),
        Dir({b"a": File(b"new", mtime_ns=T), b"b": Hardlink(b"a"), b"c": Hardlink(b"a")}, mtime_ns=T),
    )
    old: dict[bytes, Entry] = {b"a": File(b"old a", mtime_ns=T), b"c": File(b"old c", mtime_ns=T)}
    (expected, one), (actual, other) = both(here, old, "-aHivv", "-b")
    assert (actual.code, lines(actual)) == (expected.code, lines(expected))
    assert_same(tree(one), tree(other))


@pytest.fixture
def volume() -> Iterator[Callable[[str], bytes]]:
    """Small file systems of their own."""
    mounted: list[str] = []

    def mount(size: str) -> bytes:
        top = tempfile.mkdtemp()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", top], capture_output=True)
        if done.returncode:
            os.rmdir(top)
            pytest.skip(f"no tmpfs can be mounted: {done.stderr.decode()}")
        mounted.append(top)
        return os.fsencode(top)

    yield mount
    for top in mounted:
        subprocess.run(["umount", top], check=True)
        os.rmdir(top)


@pytest.mark.needs_root
@pytest.mark.parametrize("options", [["-ai"], ["-ai", "--inplace"], ["-ai", "--delay-updates"], ["-aiX"]])
def test_other_file_system(here: bytes, volume: Callable[[str], bytes], options: list[str]) -> None:
    """Where nothing can be linked, backups are copies with all that belongs to them."""
    kept = volume("10m")
    old = DESTINATION | {b"a": File(b"old" * 100_000, 0o4751, T - HOUR, (1000, 1001))}
    snapshots = []
    for done, top in both(here, old, *options, f"--backup-dir={os.fsdecode(kept)}"):
        assert done.code == 0, done.err
        snapshots.append((tree(top), tree(kept), lines(done)))
        subprocess.run(["find", kept, "-mindepth", "1", "-delete"], check=True)
        if len(snapshots) == 1:
            assert snapshots[0][1][b"a"]["owner"] == (1000, 1001)
    (one, kept_one, _), (other, kept_other, _) = snapshots
    assert_same(one, other)
    assert_same(kept_one, kept_other)


@pytest.mark.needs_root
@pytest.mark.parametrize("options", [["-a"], ["-a", "--inplace"], ["-a", "--delay-updates"]])
def test_full_backup_directory(here: bytes, volume: Callable[[str], bytes], options: list[str]) -> None:
    """A file that cannot be kept is not replaced, and that is said."""
    kept = volume("64k")
    create(os.path.join(here, b"src"), Dir({b"a": File(b"new"), b"z": File(b"new")}))
    create(os.path.join(here, b"dst"), Dir({b"a": File(b"o" * 200_000)}))
    done = arsync(*options, b"--backup-dir=" + kept, os.path.join(here, b"src/"), os.path.join(here, b"dst"))
    assert done.code == 11
    assert b"No space left on device" in done.err
    with open(os.path.join(here, b"dst", b"a"), "rb") as file:
        assert file.read() == b"o" * 200_000
    assert os.listdir(kept) == []
    assert not [name for name in os.listdir(os.path.join(here, b"dst")) if name.startswith(b".")]


def test_what_is_in_the_way_of_a_backup(here: bytes) -> None:
    """A directory under the backup's name is not removed for it: the file stays as it is."""
    create(os.path.join(here, b"src"), Dir({b"a": File(b"new"), b"b": File(b"new")}))
    create(
        os.path.join(here, b"dst"),
        Dir({b"a": File(b"old", mtime_ns=T), b"a~": Dir({b"x": File()}), b"b": File(b"old", mtime_ns=T)}),
    )
    done = arsync("-ab", os.path.join(here, b"src/"), os.path.join(here, b"dst"))
    assert done.code == 23
    assert sorted(os.listdir(os.path.join(here, b"dst"))) == [b"a", b"a~", b"b", b"b~"]
    with open(os.path.join(here, b"dst", b"a"), "rb") as file:
        assert file.read() == b"old"


def test_no_symlink_is_followed_in_the_backup_directory(here: bytes) -> None:
    """Somebody who may write into the backup directory cannot send files elsewhere."""
    create(os.path.join(here, b"src"), Dir({b"sub": Dir({b"a": File(b"new")})}))
    create(os.path.join(here, b"dst"), Dir({b"sub": Dir({b"a": File(b"old", mtime_ns=T)})}))
    create(os.path.join(here, b"elsewhere"), Dir())
    create(os.path.join(here, b"kept"), Dir({b"sub": Symlink(b"../elsewhere")}))
    done = arsync("-a", b"--backup-dir=" + here + b"/kept", os.path.join(here, b"src/"), os.path.join(here, b"dst"))
    assert done.code == 23
    assert os.listdir(os.path.join(here, b"elsewhere")) == []
    with open(os.path.join(here, b"dst", b"sub", b"a"), "rb") as file:
        assert file.read() == b"old"


def test_directories_for_backups_let_nobody_else_in(here: bytes) -> None:
    """They are made like those that the files come from."""
    create(os.path.join(here, b"src"), Dir({b"sub": Dir({b"a": File(b"new")}, 0o700)}))
    create(os.path.join(here, b"dst"), Dir({b"sub": Dir({b"a": File(b"old", mtime_ns=T)}, 0o700)}))
    assert arsync("-a", "--backup-dir=kept", os.path.join(here, b"src/"), os.path.join(here, b"dst")).code == 0
    assert stat.S_IMODE(os.stat(os.path.join(here, b"dst", b"kept", b"sub")).st_mode) == 0o700


# Backups that take long: copies of what is overwritten


@pytest.fixture
def slow(here: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """A file system on which writing 5 MiB takes a second, and on it a file of 18."""
    server = delayfs_server(str(tmp_path_factory.mktemp("delayfs")))
    create(here + b"/src", Dir({b"large": File(b"new" * 5, mtime_ns=T)}))
    create(here + b"/back", Dir({b"large": File(b"old" * (6 << 20), mtime_ns=T - HOUR)}))
    with delayfs(server, here + b"/back", here + b"/slow", "-d", "25000", "-t", "100") as mount:
        yield mount


COPYING = ["-rt", "-b", "--inplace", "--buffer-size=256k"]


def test_copying_a_backup_counts_as_doing_something(here: bytes, slow: bytes) -> None:
    """--timeout is shorter than it takes, and longer than each block."""
    done = arsync(*COPYING, "--timeout=2", here + b"/src/", slow)
    assert (done.code, done.err) == (0, b"")
    assert os.stat(here + b"/back/large~").st_size == 18 << 20


def test_interrupted_while_a_backup_is_copied(here: bytes, slow: bytes) -> None:
    """It is not completed before the run ends, nor is anything left of it."""
    process = subprocess.Popen([*ARSYNC, *COPYING, here + b"/src/", slow], stderr=subprocess.PIPE)
    while not any(os.stat(f"{os.fsdecode(here)}/back/{name}").st_size for name in _hidden(here + b"/back")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 20
    assert os.listdir(here + b"/back") == [b"large"]
    assert os.stat(here + b"/back/large").st_size == 18 << 20


def _hidden(directory: bytes) -> list[str]:
    return [os.fsdecode(name) for name in os.listdir(directory) if name.startswith(b".")]
