"""--lock: runs that must not overlap, and runs over one destination that do."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from arsync.engine import linking
from arsync.fs.temporary import temporary_name
from support.commands import ARSYNC, arsync, arsync_as_nobody, rsync, run
from support.inprocess import copy
from support.mounts import tmpfs
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, Hardlink, create

T = 1_600_000_000 * 10**9
LOCKED = 75


@pytest.fixture
def tree(here: bytes) -> bytes:
    """A directory with a source."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"x" * 5_000_000, mtime_ns=T), b"g": File(b"g", mtime_ns=T)}))
    return here


@contextmanager
def locked(path: bytes) -> Iterator[None]:
    """As flock(1) does it."""
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield
    os.close(fd)


def is_locked(path: bytes) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextmanager
def slow_run(tree: bytes, *options: str, lock: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A run that would take an hour, from the moment on at which it has its lock."""
    command = [*ARSYNC, "-a", "--bwlimit=1", "--workers=1", *options, "src/", "dst"]
    process = subprocess.Popen(command, cwd=tree, start_new_session=True)
    try:
        while not (os.path.exists(lock) and is_locked(lock)):
            assert process.poll() is None
            time.sleep(0.01)
        yield process
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended, and its workers
        process.wait()


def wait_for(path: bytes) -> None:
    """Until nobody has the lock any more."""
    while is_locked(path):
        time.sleep(0.01)


def test_a_second_run_is_refused_by_name_and_does_nothing(tree: bytes) -> None:
    dst = os.path.join(tree, b"dst")
    with slow_run(tree, "--lock", lock=dst) as first:
        before = os.listdir(dst)
        for options in (["--lock"], ["--lock", "-n"], ["--lock", "--delete", "--workers=0"]):
            result = arsync("-a", *options, "src/", "dst", cwd=tree)
            assert result.code == LOCKED
            assert b'"dst" is locked by process %d: nothing was done' % first.pid in result.err
            assert result.lines == []
            assert result.err.splitlines()[-1] == b"arsync error: another run has the lock (code 75)"
        assert os.listdir(dst) == before
        assert arsync("-a", "--lock", "src/g", "other", cwd=tree).code == 0
        assert arsync("-a", "--lock", "--no-lock", "src/g", "dst", cwd=tree).code == 0


@pytest.mark.parametrize("whom", ["parent", "all"])
def test_a_killed_run_leaves_no_lock(tree: bytes, whom: str) -> None:
    dst = os.path.join(tree, b"dst")
    with slow_run(tree, "--lock", lock=dst) as first:
        (os.kill if whom == "parent" else os.killpg)(first.pid, signal.SIGKILL)
        first.wait()
        wait_for(dst)
        assert arsync("-a", "--lock", "src/", "dst", cwd=tree).code == 0
    assert_same(snapshot(os.path.join(tree, b"src")), snapshot(dst))


def test_the_workers_have_the_lock_too(tree: bytes) -> None:
    """A run whose parent was killed is not over before its workers are."""
    dst = os.path.join(tree, b"dst")
    with slow_run(tree, "--lock", lock=dst) as first:
        worker = int(run(["pgrep", "-P", str(first.pid)]).out.split()[0])
        os.kill(worker, signal.SIGSTOP)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        result = arsync("-a", "--lock", "src/", "dst", cwd=tree)
        assert result.code == LOCKED
        assert b"is locked by what process %d started" % first.pid in result.err
        os.kill(worker, signal.SIGKILL)
        wait_for(dst)


def test_a_file_is_locked_and_left_as_it_is(tree: bytes) -> None:
    lock = os.path.join(tree, b"lock")
    assert arsync("-a", b"--lock=" + lock, "src/g", "one", cwd=tree).code == 0
    assert (os.path.getsize(lock), os.stat(lock).st_mode & 0o777) == (0, 0o600)
    with open(lock, "wb") as file:
        file.write(b"whatever this is")
    with locked(lock):
        result = arsync("-a", "--lock=lock", "src/g", "two", cwd=tree)
        assert result.code == LOCKED
        assert b'"lock" is locked by process %d' % os.getpid() in result.err
        assert not os.path.exists(os.path.join(tree, b"two"))
    os.chmod(lock, 0o444)
    assert arsync("-a", "--lock=lock", "src/g", "two", cwd=tree).code == 0
    with open(lock, "rb") as file:
        assert file.read() == b"whatever this is"


def test_a_directory_may_be_the_file(tree: bytes) -> None:
    src = os.path.join(tree, b"src")
    with locked(src):
        assert arsync("-a", "--lock=src", "src/g", "one", cwd=tree).code == LOCKED
    assert arsync("-a", "--lock=src", "src/g", "one", cwd=tree).code == 0


def test_what_cannot_be_locked_is_said(tree: bytes) -> None:
    os.mkfifo(os.path.join(tree, b"fifo"))
    result = arsync("-a", "--lock=fifo", "src/g", "one", cwd=tree, timeout=20)
    assert (result.code, b"neither a file nor a directory" in result.err) == (3, True)
    result = arsync("-a", "--lock=no/such", "src/g", "one", cwd=tree)
    assert (result.code, b'cannot open the lock file "no/such"' in result.err) == (3, True)
    assert arsync("--list-only", "--lock", "src/", cwd=tree).code == 1
    assert not os.path.exists(os.path.join(tree, b"one"))


@pytest.mark.needs_root
def test_a_planted_symlink_is_not_followed(tree: bytes) -> None:
    os.symlink(os.path.join(tree, b"made"), os.path.join(tree, b"lock"))
    os.chown(os.path.join(tree, b"lock"), 65534, 65534, follow_symlinks=False)
    assert arsync("-a", "--lock=lock", "src/g", "one", cwd=tree).code == 3
    assert not os.path.exists(os.path.join(tree, b"made"))
    os.chown(os.path.join(tree, b"lock"), 0, 0, follow_symlinks=False)
    assert arsync("-a", "--lock=lock", "src/g", "one", cwd=tree).code == 0
    assert os.path.exists(os.path.join(tree, b"made"))


def test_a_destination_that_does_not_exist(tree: bytes) -> None:
    assert arsync("-an", "--lock", "src/", "dst", cwd=tree).code == 0
    assert not os.path.exists(os.path.join(tree, b"dst"))
    assert arsync("-a", "--lock", "src/", "dst", cwd=tree).code == 0
    assert arsync("-a", "--lock", "--mkpath", "src/", "a/b/c", cwd=tree).code == 0
    assert arsync("-a", "--lock", "src/g", "a/b/name", cwd=tree).code == 0
    with locked(os.path.join(tree, b"a/b")):  # the directory that a single file is put in
        assert arsync("-a", "--lock", "src/g", "a/b/name", cwd=tree).code == LOCKED


@pytest.mark.needs_root
def test_a_read_only_destination(tree: bytes) -> None:
    with tmpfs(os.path.join(tree, b"mounted"), "ro,size=1m") as mount:
        assert arsync("-an", "--lock", "src/", mount, cwd=tree).code == 0
        with locked(mount):
            assert arsync("-an", "--lock", "src/", mount, cwd=tree).code == LOCKED
    os.mkdir(os.path.join(tree, b"dst"), 0o755)
    with locked(os.path.join(tree, b"dst")):
        assert arsync_as_nobody("-an", "--lock", "src/", "dst", cwd=tree).code == LOCKED


ROUNDS = int(os.environ.get("ARSYNC_OVERLAPS", "1"))
OPTIONS = ["-a", "-a --delete", "-a --delay-updates", "-a --delete-after --delay-updates", "-ab --backup-dir=../bak"]


@pytest.mark.needs_rsync
@pytest.mark.parametrize("options", OPTIONS)
def test_two_runs_at_once_end_with_a_whole_tree(here: bytes, options: str) -> None:
    """Over a fresh destination and over an old one, both to their end and one of them killed; ARSYNC_OVERLAPS: how
    often. One may find that the other has put something in its place, or removed it: that is an error of its own."""
    chance = random.Random(options)
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    for number in range(2 * ROUNDS):
        files = {
            b"f%d" % n: File(chance.randbytes(chance.choice((0, 10, 3000))), mtime_ns=T + number * 10**9)
            for n in range(9)
        }
        run(["rm", "-rf", src, *([dst] if number % 4 in (0, 3) else [])])
        create(src, Dir({b"d%d" % d: Dir({b"e%d" % e: Dir(dict(files)) for e in range(5)}) for d in range(6)}))
        processes = [
            subprocess.Popen([*ARSYNC, *options.split(), src + b"/", dst], stderr=subprocess.PIPE) for _ in range(2)
        ]
        if number % 2:
            time.sleep(chance.uniform(0.05, 0.4))
            processes[0].kill()
        said = [process.communicate()[1] for process in processes]
        codes = [process.returncode for process in processes]
        assert set(codes) <= {0, 23, -signal.SIGKILL}, (codes, said)
        if 0 not in codes:  # each stumbled over the other
            assert arsync(*options.split(), src + b"/", dst).code == 0, said
        left = rsync("-anic", "--delete", src + b"/", dst).lines
        if number % 2 and "--delete" not in options:
            # What the killed one left under names of its own; the next run removes it.
            left = [line for line in left if not line.startswith((b"*deleting", b".d..t"))]
        assert left == [], (codes, said)


def test_runs_that_make_the_same_directories_do_not_stumble(here: bytes) -> None:
    """A directory that another run has made a moment ago is one that exists."""
    src = os.path.join(here, b"src")
    create(src, Dir({b"d%03d" % d: Dir({b"f": File(b"f", mtime_ns=T)}, mtime_ns=T) for d in range(300)}))
    for number in range(3):
        dst = os.path.join(here, b"dst%d" % number)
        processes = [
            subprocess.Popen([*ARSYNC, "-a", "--workers=1", src + b"/", dst], stderr=subprocess.PIPE) for _ in range(3)
        ]
        said = [process.communicate()[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0, 0], said
        assert_same(snapshot(src), snapshot(dst))


def test_a_link_that_another_run_makes_meanwhile_leaves_no_temporary_name(
    here: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename of one name of a file over another of the same file does nothing."""
    dst = os.path.join(here, b"dst")
    create(os.path.join(here, b"src"), Dir({b"a": File(b"new", mtime_ns=T), b"b": Hardlink(b"a")}))
    create(dst, Dir({b"a": File(b"new", mtime_ns=T), b"b": File(b"old")}))

    def made_meanwhile(name: bytes) -> bytes:
        os.unlink(os.path.join(dst, name))
        os.link(os.path.join(dst, b"a"), os.path.join(dst, name))
        return temporary_name(name)

    monkeypatch.setattr(linking, "temporary_name", made_meanwhile)
    assert copy(here, hard_links=True) == (0, [])
    assert sorted(os.listdir(dst)) == [b"a", b"b"]
