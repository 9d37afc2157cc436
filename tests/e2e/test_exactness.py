"""A copy is exact on every real file system: checked by our own snapshot and by rsync itself."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot
from support.trees import Device, Dir, Fifo, File, Hardlink, Socket, Sparse, Symlink, create

pytestmark = [pytest.mark.needs_root]

T = 1_234_567_890_123_456_789
ENGINES = ["--io-engine=auto", "--io-engine=uring", "--io-engine=plain"]

#: security.capability of a file with cap_net_raw+ep.
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")

#: An ACL that gives user 1 rwx, as the kernel stores it.
ACL = bytes.fromhex("02000000 01000600ffffffff 0200070001000000 04000400ffffffff 10000700ffffffff 20000400ffffffff")


def everything(kind: str) -> Dir:
    """A tree of what a file system can hold."""
    plain = {
        b"empty": File(mtime_ns=T),
        b"small": File(b"x" * 100, mode=0o640, mtime_ns=T + 1),
        b"block": File(os.urandom(4096), mode=0o400, mtime_ns=T + 2),
        b"middle": File(os.urandom(300_000), mode=0o755, mtime_ns=T + 3),
        b"large": File(os.urandom(9 << 20), mtime_ns=T + 4),
        b"d": Dir({b"deep": Dir({b"f": File(b"1", mtime_ns=T)}, mtime_ns=T + 5)}, mode=0o700, mtime_ns=T + 6),
    }
    if kind == "vfat":
        return Dir(plain)
    root_only = {} if kind == "tmpfs" and not _tmpfs_has_user_xattrs() else {b"user.a": b"b", b"user.empty": b""}
    return Dir(
        plain
        | {
            b"\xff\xfe not utf-8\n": File(b"named", mtime_ns=T),
            b"n" * 255: File(b"long", mtime_ns=T + 7),
            b"set-id": File(b"x", mode=0o6755, owner=(1, 2), mtime_ns=T),
            b"owned": File(b"y", owner=(1234567, 7654321), mtime_ns=T),
            b"sticky": Dir(mode=0o1777, owner=(3, 4), mtime_ns=T + 8),
            b"link": Symlink(b"small", mtime_ns=T + 9),
            b"dangling": Symlink(b"no/where\xff", mtime_ns=T + 10),
            b"other": Hardlink(b"d/deep/f"),
            b"fifo": Fifo(0o600, mtime_ns=T),
            b"socket": Socket(),
            b"null": Device(stat.S_IFCHR | 0o666, os.makedev(1, 3)),
            b"block-device": Device(stat.S_IFBLK | 0o600, os.makedev(7, 99)),
            b"attributes": File(b"z", xattrs={b"trusted.t": b"\0\xff" * 50, **root_only}, mtime_ns=T),
            b"capable": File(b"c", mode=0o755, xattrs={b"security.capability": CAPABILITY}, mtime_ns=T),
            b"acl": File(b"a", mode=0o674, xattrs={b"system.posix_acl_access": ACL}, mtime_ns=T),
            b"acl-dir": Dir({b"in": File(b"i", mtime_ns=T)}, xattrs={b"system.posix_acl_default": ACL}, mtime_ns=T),
        },
        mtime_ns=T + 11,
    )


def _tmpfs_has_user_xattrs() -> bool:
    return os.uname().release.split(".")[:2] >= ["6", "6"]


def make(place: tuple[str, bytes]) -> tuple[bytes, bytes]:
    kind, top = place
    src, dst = os.path.join(top, b"src"), os.path.join(top, b"dst")
    create(src, everything(kind))
    if kind not in ("vfat",):
        os.setxattr(os.path.join(src, b"link"), b"trusted.own", b"of the link", follow_symlinks=False)
    return src, dst


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_everything_is_copied_exactly(place: tuple[str, bytes], engine: str, workers: str) -> None:
    """The copy's snapshot is the source's, a second run does nothing, and rsync agrees."""
    src, dst = make(place)
    result = arsync("-aHAX", engine, f"--workers={workers}", src + b"/", dst)
    assert (result.code, result.err) == (0, b""), result
    assert_same(snapshot(src, times=place[0] != "vfat"), snapshot(dst, times=place[0] != "vfat"))
    again = arsync("-aHAXi", engine, f"--workers={workers}", src + b"/", dst)
    assert (again.code, again.out) == (0, b"")
    assert rsync("-aniHAXc", src + b"/", dst).out == b""


@pytest.mark.parametrize("file_system", ["xfs", "btrfs"], indirect=True)
def test_large_files_are_clones(place: tuple[str, bytes]) -> None:
    """Where the file system shares extents, copies do; --stats says so."""
    src, dst = make(place)
    result = arsync("-a", "--stats", src + b"/", dst)
    assert b"reflink" in result.out
    extents = subprocess.run(["filefrag", "-v", os.path.join(dst, b"large")], capture_output=True, check=True)
    assert b"shared" in extents.stdout


def test_sparse(place: tuple[str, bytes]) -> None:
    """Holes stay holes with -S, and zeros become holes."""
    kind, top = place
    if kind == "vfat":
        pytest.skip("vfat has no holes")
    src, dst = os.path.join(top, b"src"), os.path.join(top, b"dst")
    pieces = ((1 << 20, b"a" * 5000), (20 << 20, b"b"))
    create(src, Dir({b"holes": Sparse(30 << 20, pieces, T), b"zeros": File(bytes(1 << 20) + b"x", mtime_ns=T)}))
    assert arsync("-aS", src + b"/", dst).code == 0
    assert_same(snapshot(src), snapshot(dst))
    for name, most in ((b"holes", 400), (b"zeros", 400)):
        assert os.stat(os.path.join(dst, name)).st_blocks < most


@pytest.mark.parametrize("method", ["auto", "reflink", "copy_file_range", "read-write", "mmap"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_copy_method(here: bytes, method: str, engine: str) -> None:
    """Each method gives the same contents, whatever the file system can."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"%d" % n: File(os.urandom(n), mtime_ns=T) for n in (0, 1, 131072, 131073, (8 << 20) + 5)}))
    assert arsync("-a", engine, f"--copy-method={method}", src + b"/", dst).code == 0
    assert_same(snapshot(src), snapshot(dst))


def test_what_a_file_system_cannot_hold_is_said_once(file_system: tuple[str, bytes], here: bytes) -> None:
    """vfat holds no xattrs: one line, exit code 23, and the contents arrive."""
    kind, mount = file_system
    if kind != "vfat":
        pytest.skip("the case is vfat's")
    src, dst = os.path.join(here, b"src"), os.path.join(mount, b"from")
    create(src, Dir({b"f%d" % n: File(b"x", xattrs={b"user.a": b"b"}) for n in range(20)}))
    result = arsync("-rtX", src + b"/", dst)
    assert result.code == 23
    assert result.err.count(b"user.a") == 1, result.err
    assert len(os.listdir(dst)) == 20
