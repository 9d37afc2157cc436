"""Real file systems and kernels that refuse: what arsync says, which code it ends with, and what stands afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from arsync.config import IoEngine
from arsync.events import Failure
from support.commands import ARSYNC, Result, arsync, arsync_as_nobody, rsync
from support.faults import Faults, plant, settle_timing
from support.inprocess import copy
from support.kernel import refuse_io_uring, remount, set_project, set_quota
from support.mounts import btrfs, delayfs, delayfs_server, ext4, run, tmpfs, xfs
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

T = 10**18
ENGINES = ["auto", "plain", pytest.param("uring", marks=pytest.mark.needs_ring)]


def _tree(number: int, size: int, directories: int = 3) -> Dir:
    return Dir(
        {
            b"d%d" % d: Dir({b"f%02d" % n: File(b"%d" % n * size, mtime_ns=T) for n in range(number)}, mtime_ns=T)
            for d in range(directories)
        },
        mtime_ns=T,
    )


def check_whole(src: bytes, dst: bytes, old: bytes | None = None) -> list[bytes]:
    """Every name in ``dst`` is of ``src`` and holds its contents, or those that it had before; returns the names that
    hold the new contents."""
    new, arrived = {name: entry.get("content") for name, entry in snapshot(src).items()}, []
    for name, entry in snapshot(dst).items():
        if name == b"lost+found":
            continue
        assert name in new, f"{name!r} was left behind"
        if entry["type"] == "-":
            assert entry["content"] == new[name] or entry["content"][0] == (-1 if old is None else len(old)), name
            if entry["content"] == new[name]:
                arrived.append(name)
    return arrived


def check_finishes(src: bytes, dst: bytes) -> None:
    """Nothing is in the way of the next run, and rsync finds nothing left to do after it."""
    again = arsync("-aHAX", src + b"/", dst)
    assert (again.code, again.err) == (0, b"")
    left = rsync("-aniHAXc", "--exclude=lost+found", src + b"/", dst)
    assert (left.code, left.out, left.err) == (0, b"", b"")


def check_report(result: Result, code: int, *said: bytes) -> None:
    assert result.code == code, result
    assert b"Traceback" not in result.err
    for text in said:
        assert text in result.err, result.err.decode()


@pytest.fixture
def mounts() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


# Full file systems


@pytest.mark.needs_root
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_full(here: bytes, mounts: ExitStack, kind: str, engine: str) -> None:
    """Exit 11 as rsync; no half file; with room, the next run finishes."""
    src, mount = os.path.join(here, b"src"), os.path.join(here, b"mount")
    create(src, _tree(20, 70_000))  # 4 MiB to 8 MiB
    mounts.enter_context(tmpfs(mount, "size=3m") if kind == "tmpfs" else ext4(mount, 4 << 20))
    dst = os.path.join(mount, b"dst")
    create(dst, Dir({b"d1": Dir({b"f%02d" % n: File(b"old") for n in range(20)})}))
    check_report(arsync("-a", f"--io-engine={engine}", src + b"/", dst), 11, b"No space left on device (28)", b"write")
    check_whole(src, dst, b"old")
    assert rsync("-a", src + b"/", dst).code == 11
    if kind == "tmpfs":
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        for directory, _, names in os.walk(dst):  # what rsync's temporary files left is rsync's
            for name in names:
                if name.startswith(b"."):
                    os.unlink(os.path.join(directory, name))
        check_finishes(src, dst)


@pytest.mark.needs_root
def test_no_inodes(here: bytes, mounts: ExitStack) -> None:
    """No room for another name ends neither's run: what finds room arrives."""
    src, codes = os.path.join(here, b"src"), []
    create(src, Dir({b"f%d" % n: File(b"%d" % n, mtime_ns=T) for n in range(9)} | {b"s": Symlink(b"t"), b"p": Fifo()}))
    for command in (rsync, arsync):
        mount = os.path.join(here, command.__name__.encode())
        mounts.enter_context(tmpfs(mount, "nr_inodes=7"))
        result = command("-a", src + b"/", mount)
        codes.append((result.code, b"No space left on device (28)" in result.err, len(os.listdir(mount))))
        check_whole(src, mount)
    assert codes[0] == codes[1] == (23, True, 6)


@pytest.mark.needs_root
def test_over_quota(here: bytes, mounts: ExitStack) -> None:
    src, mount = os.path.join(here, b"src"), os.path.join(here, b"mount")
    create(src, _tree(20, 70_000))
    mounts.enter_context(
        ext4(mount, 32 << 20, options="loop,usrquota", features=("-O", "quota", "-E", "quotatype=usrquota"))
    )
    dst = os.path.join(mount, b"dst")
    create(dst, Dir({}))
    os.chown(dst, 65534, 65534)
    set_quota(mount, 65534, 2 << 20)
    check_report(arsync_as_nobody("-rlt", src + b"/", dst), 11, b"write", b"Disk quota exceeded (122)")
    check_whole(src, dst)
    set_quota(mount, 65534, 0)
    check_report(arsync_as_nobody("-rlt", src + b"/", dst), 0)
    assert len(check_whole(src, dst)) == 60


@pytest.mark.needs_root
def test_over_a_quota_of_btrfs(here: bytes, mounts: ExitStack) -> None:
    """That of a subvolume, which root cannot pass either. It counts names as well, so what it refuses may be one."""
    src, mount = os.path.join(here, b"src"), os.path.join(here, b"mount")
    create(src, _tree(20, 70_000))
    mounts.enter_context(btrfs(mount))
    dst = os.path.join(mount, b"dst")
    for command in (("subvolume", "create", dst), ("quota", "enable", mount), ("qgroup", "limit", "2M", dst)):
        run("btrfs", *command)
    create(os.path.join(dst, b"d1"), Dir({b"f03": File(b"old")}))
    result = arsync("-a", src + b"/", dst)
    assert result.code in (11, 23)
    check_report(result, result.code, b"failed: Disk quota exceeded (122)")
    assert 0 < len(check_whole(src, dst, b"old")) < 60
    run("btrfs", "qgroup", "limit", "none", dst)
    check_finishes(src, dst)


def _project_quotas(mount: bytes, kind: str, mounts: ExitStack) -> None:
    if kind == "ext4":
        features = ("-O", "quota,project", "-E", "quotatype=prjquota")
        mounts.enter_context(ext4(mount, 32 << 20, options="loop,prjquota", features=features))
    elif os.path.isdir("/proc/fs/xfs") and not os.path.exists("/proc/fs/xfs/xqmstat"):
        pytest.skip("this kernel's XFS is made without quotas (CONFIG_XFS_QUOTA)")
    else:
        mounts.enter_context(xfs(mount, options="loop,prjquota"))


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_over_a_project_quota(here: bytes, mounts: ExitStack, kind: str) -> None:
    """Of a directory's project; XFS says of it that there is no space left."""
    src, mount = os.path.join(here, b"src"), os.path.join(here, b"mount")
    create(src, _tree(20, 70_000))
    _project_quotas(mount, kind, mounts)
    dst = os.path.join(mount, b"dst")
    create(dst, Dir({b"d1": Dir({b"f03": File(b"old")})}))
    set_project(dst, 42)
    set_project(os.path.join(dst, b"d1"), 42)
    for directory in (dst, os.path.join(dst, b"d1"), os.path.join(dst, b"d1/f03")):
        os.chown(directory, 65534, 65534)
    set_quota(mount, 42, 2 << 20, project=True)
    said = b"Disk quota exceeded (122)" if kind == "ext4" else b"No space left on device (28)"
    check_report(arsync_as_nobody("-rlt", src + b"/", dst), 11, b"write", said)
    assert 0 < len(check_whole(src, dst, b"old")) < 60
    set_quota(mount, 42, 0, project=True)
    check_report(arsync_as_nobody("-rlt", src + b"/", dst), 0)
    assert len(check_whole(src, dst)) == 60


@pytest.mark.needs_root
@pytest.mark.parametrize(
    "options",
    [
        "-a", "-aH", "-a --temp-dir=TOP/beside", "-ab --backup-dir=../beside", "-a --link-dest=../old",
        "-a --delay-updates",
    ],
)  # fmt: skip
def test_the_border_of_a_project(here: bytes, mounts: ExitStack, options: str) -> None:
    """Nothing is renamed or linked into a project (EXDEV, on one device): what it cannot be is copied, as by rsync."""
    mount = os.path.join(here, b"mount")
    mounts.enter_context(xfs(mount))
    new = {b"f": File(b"new", mtime_ns=T), b"g": File(b"same", mtime_ns=T), b"new": File(b"n", mtime_ns=T)}
    results = []
    for command in (rsync, arsync):
        top = os.path.join(mount, command.__name__.encode())
        create(top, Dir({b"src": Dir(new | {b"in": Dir({b"g": Hardlink(b"src/g")}, mtime_ns=T)}, mtime_ns=T)}))
        create(os.path.join(top, b"dst"), Dir({b"f": File(b"older", mtime_ns=T), b"in": Dir()}))
        create(os.path.join(top, b"beside"), Dir())
        create(os.path.join(top, b"old"), Dir({b"g": File(b"same", mtime_ns=T)}, mtime_ns=T))
        for number, directory in enumerate((b"dst", b"dst/in", b"beside"), 1):
            set_project(os.path.join(top, directory), number)
        done = command(*options.replace("TOP", os.fsdecode(top)).split(), "src/", "dst", cwd=top)
        found = snapshot(top)
        for directory in (b"", b"beside", b"old"):
            del found[directory]["mtime"]
        results.append((done.code, found))
    (code, expected), (other, found) = results
    assert other == code
    assert_same(expected, found)


# What becomes read-only, immutable, or vanishes while the run goes on


class At(Faults):
    """Does something just before the ``number``-th call of a kind."""

    def __init__(self, call: str, number: int, action: Callable[[], object]) -> None:
        super().__init__()
        self._wait_for, self._left, self._action = call, number, action

    def check(self, call: str, *arguments: object) -> None:
        if call == self._wait_for:
            self._left -= 1
            if not self._left:
                self._action()
        super().check(call, *arguments)


def _copy_with(monkeypatch: pytest.MonkeyPatch, here: bytes, event: At) -> tuple[int, list[Failure]]:
    with monkeypatch.context() as patch:
        settle_timing(patch)
        plant(patch, event)
        return copy(here, io_engine=IoEngine.PLAIN, owner=True, group=True)


@pytest.mark.needs_root
def test_becomes_read_only(here: bytes, mounts: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(10, 100))
    mounts.enter_context(ext4(dst, 8 << 20))
    create(dst, Dir({b"d1": Dir({b"f03": File(b"old")})}))
    code, failures = _copy_with(monkeypatch, here, At("open new", 12, lambda: remount(dst, read_only=True)))
    assert code == 23
    assert {failure.errno for failure in failures} == {30}
    assert {b"d1/f03", b"d2"} <= {failure.path for failure in failures}
    assert len(check_whole(src, dst, b"old")) == 11
    remount(dst, read_only=False)
    check_finishes(src, dst)


@pytest.mark.needs_root
def test_immutable(here: bytes, mounts: ExitStack) -> None:
    """A file that may not be changed, and a directory in which nothing may: they stay, all else arrives."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(5, 100) if shutil.which("chattr") else pytest.skip("chattr is not installed"))
    mounts.enter_context(ext4(dst, 8 << 20))
    create(dst, Dir({b"d0": Dir({b"f01": File(b"old")}), b"d1": Dir({b"f02": File(b"old")})}))
    fixed = [os.path.join(dst, b"d0/f01"), os.path.join(dst, b"d1")]
    subprocess.run(["chattr", "+i", *fixed], check=True)
    try:
        result = arsync("-a", src + b"/", dst)
        assert rsync("-a", src + b"/", dst).code == 23
    finally:
        subprocess.run(["chattr", "-i", *fixed], check=True)
    check_report(result, 23, b'"d0/f01" failed: Operation not permitted (1)', b'"d1/f02" failed: Operation not perm')
    assert len(check_whole(src, dst, b"old")) == 9
    check_finishes(src, dst)


@pytest.mark.needs_root
def test_append_only(here: bytes, mounts: ExitStack) -> None:
    """A file that may only grow stays; a directory that names may only be added to gets them."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(3, 100) if shutil.which("chattr") else pytest.skip("chattr is not installed"))
    mounts.enter_context(ext4(dst, 8 << 20))
    create(dst, Dir({b"d0": Dir({b"f01": File(b"1" * 50)}), b"d1": Dir()}))
    fixed = [os.path.join(dst, b"d0/f01"), os.path.join(dst, b"d1")]
    subprocess.run(["chattr", "+a", *fixed], check=True)
    try:
        for options in ([], ["--inplace"], ["--delete"]):
            result = arsync("-a", *options, src + b"/", dst)
            check_report(result, 23, b'"d0/f01" failed: Operation not permitted (1)')
            assert len(check_whole(src, dst, b"1" * 50)) == 8
    finally:
        subprocess.run(["chattr", "-a", *fixed], check=True)
    check_finishes(src, dst)


@pytest.mark.needs_root
@pytest.mark.parametrize(
    "options",
    [
        *("", "--backup", "--workers=2", "--max-delete=99", "--delete-before", "--delete-delay"),
        pytest.param("--io-engine=uring", marks=pytest.mark.needs_ring),
    ],
)
def test_nothing_may_be_deleted(here: bytes, mounts: ExitStack, options: str) -> None:
    """Every name that stays is said; what else is to go goes, and a directory that still has something in it stays."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(3, 100) if shutil.which("chattr") else pytest.skip("chattr is not installed"))
    mounts.enter_context(ext4(dst, 8 << 20))
    old: dict[bytes, Entry] = {b"x%d" % n: File(b"x") for n in range(9)}
    create(dst, Dir({b"d0": Dir(dict(old)), b"d8": Dir(dict(old)), b"d9": Dir({b"y": Dir(dict(old)), b"z": File()})}))
    fixed = [os.path.join(dst, b"d0"), os.path.join(dst, b"d9/y")]
    subprocess.run(["chattr", "+a", *fixed], check=True)
    try:
        result = arsync("-a", "--delete", *options.split(), src + b"/", dst)
    finally:
        subprocess.run(["chattr", "-a", *fixed], check=True)
    refused = b"failed: Operation not permitted (1)"
    check_report(result, 23, b'"d9/y/x8" ' + refused, b"18 files: delete failed")
    assert sorted(os.listdir(fixed[0])) == [b"f00", b"f01", b"f02", *sorted(old)]
    assert sorted(os.listdir(fixed[1])) == sorted(old)
    if options != "--backup":
        assert set(os.listdir(dst)) - {b"lost+found"} == {b"d0", b"d1", b"d2", b"d9"}
        assert os.listdir(os.path.join(dst, b"d9")) == [b"y"]
    check_finishes(src, dst)


@pytest.mark.parametrize(
    ("side", "code", "call", "number"),
    [
        (b"src", 24, "scandir", 5),  # the first to list the arguments, three that look at how large the tree is
        (b"src", 24, "preadv", 7),
        (b"dst", 23, "open new", 7),
        (b"dst", 23, "utime", 7),
    ],
)
def test_a_directory_vanishes(
    here: bytes, monkeypatch: pytest.MonkeyPatch, side: bytes, code: int, call: str, number: int
) -> None:
    """The second of three, while it is worked on: only what is in it is missing, and that is said."""
    src, dst, kept = (os.path.join(here, name) for name in (b"src", b"dst", b"kept"))
    for path in (src, kept):
        create(path, _tree(5, 100))
    create(dst, _tree(5, 1))
    victim = os.path.join(here, side, b"d1")
    found, failures = _copy_with(monkeypatch, here, At(call, number, lambda: shutil.rmtree(victim)))
    assert found == code, failures
    assert failures
    assert all(failure.path.startswith(b"d1") for failure in failures), failures
    for name in (b"d0", b"d2"):
        assert_same(snapshot(os.path.join(kept, name)), snapshot(os.path.join(dst, name)))


# A file system that answers EIO


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    return delayfs_server(str(tmp_path_factory.mktemp("delayfs")))


def test_standard_input_of_a_server_that_is_gone(here: bytes, server: str) -> None:
    """It is open, though the kernel says nothing else about it: nothing is put in its place, and nothing waits."""
    back = os.path.join(here, b"back")
    create(back, Dir({b"in": File(b"x")}))
    create(os.path.join(here, b"src"), _tree(1, 100))
    with delayfs(server, back, os.path.join(here, b"slow"), "-d", "0") as slow:
        stdin = os.open(os.path.join(slow, b"in"), os.O_RDONLY)
        subprocess.run(["pkill", "-KILL", "-f", os.fsdecode(slow)], check=True)
        while _can_be_looked_at(stdin):
            time.sleep(0.01)
        command = [*ARSYNC, "-a", "src/", "dst"]
        done = subprocess.run(command, cwd=here, stdin=stdin, capture_output=True, timeout=60, check=False)
        with suppress(OSError):  # nobody is there who could hear of it
            os.close(stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    assert_same(snapshot(os.path.join(here, b"src")), snapshot(os.path.join(here, b"dst")))


def _can_be_looked_at(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("engine", [ENGINES[0], ENGINES[2]])
@pytest.mark.parametrize("fault", ["read:1", "read:4", "read:7+", "open:3", "open:3+", "listing:3", "flush:4"])
def test_reading_fails(here: bytes, server: str, fault: str, engine: str) -> None:
    """EIO on one side of a file costs that file; a listing costs its directory."""
    fast = os.path.join(here, b"fast")
    with delayfs(server, os.path.join(here, b"back"), os.path.join(here, b"slow"), "-d", "0", "-f", fault) as slow:
        create(os.path.join(here, b"back"), _tree(5, 50_000))
        # Workers that are asked for: nobody looks at the tree first.
        result = arsync("-a", "--workers=2", f"--io-engine={engine}", slow + b"/", fast)
        arrived = check_whole(os.path.join(here, b"back"), fast)
        if result.code == 0 and not fault.endswith("+"):  # the warm way leaves the file to the general one: tried again
            assert (len(arrived), result.err) == (15, b"")
        else:
            check_report(result, 23, b"Input/output error (5)")
            # What fails at the close of a source is said, though its file is whole.
            numbers = {"listing:3": (10,), "read:7+": range(7), "open:3+": range(3), "flush:4": (15,)}
            assert len(arrived) in numbers.get(fault, (14,)), arrived
    check_finishes(os.path.join(here, b"back"), fast)


@pytest.mark.parametrize("engine", [ENGINES[0], ENGINES[2]])
@pytest.mark.parametrize("fault", ["write:1", "write:5", "write:3+", "create:4", "flush:3", "rename:2"])
def test_writing_fails(here: bytes, server: str, fault: str, engine: str) -> None:
    src, back = os.path.join(here, b"src"), os.path.join(here, b"back")
    create(src, _tree(5, 50_000))
    create(back, Dir({b"d1": Dir({b"f%02d" % n: File(b"old") for n in range(5)})}))
    with delayfs(server, back, os.path.join(here, b"slow"), "-d", "0", "-f", fault) as slow:
        result = arsync("-a", f"--io-engine={engine}", src + b"/", slow)
        check_report(result, 23, b"Input/output error (5)")
    arrived = check_whole(src, back, b"old")
    assert fault.endswith("+") or len(arrived) == 14
    check_finishes(src, back)


# Limits of the process


def _limit(which: int, number: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (number, number))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workers", ["1", "0"])
def test_few_descriptors(here: bytes, engine: str, workers: str) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(60, 100, directories=8))
    limit = _limit(resource.RLIMIT_NOFILE, 32)
    result = arsync("-a", f"--io-engine={engine}", f"--workers={workers}", src + b"/", dst, before=limit)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.parametrize("engine", ENGINES)
def test_file_size_limit(here: bytes, engine: str) -> None:
    """SIGXFSZ does not end the run: the files that are too large are named, the others arrive."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"small": File(b"s"), b"large": File(b"l" * 300_000), b"huge": File(b"h" * 9_000_000)}))
    create(dst, Dir({b"large": File(b"old")}))
    limit = _limit(resource.RLIMIT_FSIZE, 200_000)
    result = arsync("-a", f"--io-engine={engine}", src + b"/", dst, before=limit)
    check_report(result, 23, b'write "large" failed: File too large (27)', b'write "huge" failed: File too large (27)')
    assert check_whole(src, dst, b"old") == [b"small"]
    check_finishes(src, dst)


@pytest.mark.needs_root
def test_locked_memory_limit(here: bytes) -> None:
    """An ordinary user's ring counts towards it in older kernels: a smaller one, or none, does the work."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(30, 100))
    create(dst, Dir())
    os.chown(dst, 65534, 65534)
    limit = _limit(resource.RLIMIT_MEMLOCK, 64 << 10)
    result = arsync_as_nobody("-rlt", "--queue-depth=1000", src + b"/", dst, before=limit)
    assert (result.code, result.err) == (0, b"")
    assert len(check_whole(src, dst)) == 90


@pytest.mark.needs_root
@pytest.mark.parametrize("options", [[], ["--io-engine=plain"], ["--workers=2"]])
def test_no_more_processes(here: bytes, options: list[str]) -> None:
    """Where no worker can be forked (RLIMIT_NPROC, a container's pids.max), the parent does the job."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"large": File(b"l" * (9 << 20), mtime_ns=T), b"d": _tree(150, 3_000)}, mtime_ns=T))
    create(dst, Dir())
    os.chown(dst, 65534, 65534)
    result = arsync_as_nobody("-rlt", *options, src + b"/", dst, before=_limit(resource.RLIMIT_NPROC, 1))
    assert (result.code, result.err) == (0, b"")
    assert len(check_whole(src, dst)) == 451


@pytest.mark.needs_ring
def test_several_batches_in_the_parent(here: bytes) -> None:
    """Few descriptors make small batches; with many files in flight the parent's own worker has several at once."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(5, 10, directories=20))
    limit = _limit(resource.RLIMIT_NOFILE, 100)
    result = arsync("-a", "--io-engine=uring", src + b"/", dst, before=limit)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.parametrize("allowed", [0, 1, 2])
@pytest.mark.parametrize("waiting", [False, True])
def test_no_more_threads(here: bytes, monkeypatch: pytest.MonkeyPatch, allowed: int, waiting: bool) -> None:
    """Where a thread cannot be started (RLIMIT_NPROC), those that there are do all the work."""
    import threading

    from arsync.engine import regime, stopwatch
    from arsync.fs import lanes

    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"large": File(os.urandom(9 << 20), mtime_ns=T), b"d": _tree(30, 10)}, mtime_ns=T))
    start, started = threading.Thread.start, []

    def limited(thread: threading.Thread) -> None:
        if len(started) >= allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    monkeypatch.setattr(lanes, "usable_cpus", lambda: frozenset(range(4)))
    if waiting:
        monkeypatch.setattr(regime.Regime, "in_flight", True)
        monkeypatch.setattr(stopwatch.Stopwatch, "waited", lambda _self, side: side)
    assert copy(here, io_engine=IoEngine.PLAIN) == (0, [])
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.needs_root
@pytest.mark.parametrize("capability", ["cap_chown", "cap_fowner", "cap_fsetid", "cap_setfcap", "cap_dac_override"])
def test_root_without_a_capability(here: bytes, capability: str) -> None:
    """Who may not give files away does not run as their owner either; what cannot be set is named, as by rsync."""
    src, codes = os.path.join(here, b"src"), []
    create(src, Dir({b"f": File(b"set-id", mode=0o6750, owner=(1234, 1235), mtime_ns=T), b"z": File(b"z")}))
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        result = _without(capability, command, b"-a", src + b"/", dst)
        codes.append(result.code)
        for name in os.listdir(dst):
            st = os.stat(os.path.join(dst, name))
            assert name != b"f" or (st.st_uid, st.st_gid) == (1234, 1235) or not st.st_mode & 0o6070, oct(st.st_mode)
    assert codes[0] == codes[1]


def _without(capability: str, command: Callable[..., Result], *arguments: bytes) -> Result:
    """Run a command without one capability."""
    import ctypes

    numbers = {"cap_chown": 0, "cap_dac_override": 1, "cap_fowner": 3, "cap_fsetid": 4, "cap_setfcap": 31}

    def drop() -> None:
        assert ctypes.CDLL(None).prctl(24, numbers[capability], 0, 0, 0) == 0  # PR_CAPBSET_DROP, which exec obeys

    return command(*arguments, before=drop)


# io_uring that is not there, or not all of it


@pytest.mark.parametrize("number", [1, 38], ids=["EPERM", "ENOSYS"])
@pytest.mark.parametrize("call", ["setup", "enter", "register"])
def test_io_uring_is_filtered(here: bytes, call: str, number: int) -> None:
    """A seccomp filter, as container runtimes have: auto works without it, or with what is left."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"large": File(os.urandom(9 << 20), mtime_ns=T), b"d": _tree(5, 10)}, mtime_ns=T))
    before = refuse_io_uring(call, number)
    result = arsync("-a", "--stats", src + b"/", dst, before=before)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))
    demanded = arsync("-a", "--io-engine=uring", src + b"/", dst + b"2", before=before)
    if call == "register" and demanded.code == 0:  # it is only used to ask and to tune
        assert_same(snapshot(src), snapshot(dst + b"2"))
    else:
        check_report(demanded, 4, b"io_uring cannot be used here")
        assert not os.path.exists(dst + b"2")


@pytest.mark.needs_ring
def test_every_single_opcode_is_missing(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older kernel: each operation that has no opcode is made by its call."""
    from arsync.fs.ring import Ring
    from arsync.fs.uring_base import OPCODES

    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    attributes = {b"user.a": b"1"}
    create(
        src, Dir({b"f": File(b"f", 0o640, T, xattrs=attributes), b"s": Symlink(b"t", T), b"d": _tree(3, 9)}, 0o755, T)
    )
    expected = snapshot(src)
    for missing in [*({opcode} for opcode in sorted(set(OPCODES.values()))), set(OPCODES.values())]:
        monkeypatch.setattr(Ring, "supports", lambda _ring, wanted, missing=missing: wanted - missing)
        create(dst, Dir({b"f": File(b"old"), b"s": Symlink(b"old")}))
        done = copy(here, io_engine=IoEngine.URING, links=True, xattrs=True, owner=True, group=True)
        assert done == (0, []), missing
        assert_same(expected, snapshot(dst))
        shutil.rmtree(dst)


@pytest.mark.parametrize("error", ["ImportError('no such library')", "OSError('libc.so.6: version not found')"])
def test_a_binding_that_does_not_import(
    here: bytes, tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "liburing.py").write_text(f"raise {error}\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"large": File(os.urandom(9 << 20), mtime_ns=T), b"d": _tree(5, 10)}, mtime_ns=T))
    result = arsync("-a", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))
    check_report(arsync("-a", "--io-engine=uring", src + b"/", dst), 4, b"io_uring cannot be used here")


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("error", ["ImportError('no such library')", "OSError('libc.so.6: version not found')"])
def test_a_package_of_attributes_that_does_not_import(
    here: bytes, tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    (tmp_path / "xattr.py").write_text(f"raise {error}\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    new = {b"user.one": b"1", b"user.\xff": b"2"}
    create(src, Dir({b"f": File(b"f", mtime_ns=T, xattrs=new), b"l": Symlink(b"f", T)}, mtime_ns=T, xattrs=new))
    create(dst, Dir({b"f": File(b"old", xattrs={b"user.one": b"0", b"user.gone": b"0"})}))
    result = arsync("-aAX", f"--workers={workers}", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.needs_ring
@pytest.mark.parametrize("seed", range(4))
def test_completions_in_any_order(here: bytes, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    from support.faults import plant_ring

    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, _tree(20, 3_000))
    create(dst, Dir({b"d1": Dir({b"f%02d" % n: File(b"old") for n in range(0, 20, 2)})}))
    plant_ring(monkeypatch, Faults(shortest=1021), disorder=seed)
    assert copy(here, io_engine=IoEngine.URING, owner=True, group=True, workers=0) == (0, [])
    assert_same(snapshot(src), snapshot(dst))
