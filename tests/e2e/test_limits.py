"""Limits of the kernel and of the user: links of one file, descriptors, descriptors on their way, devices."""

from __future__ import annotations

import os
import resource

import pytest

from support.commands import arsync, arsync_as_nobody
from support.snapshot import assert_same, snapshot
from support.trees import Device, Dir, File, create

T = 1_600_000_000 * 10**9


@pytest.mark.needs_root
def test_more_links_than_a_file_may_have(here: bytes, place: tuple[str, bytes]) -> None:
    """EMLINK (ext4: 65,000; btrfs in one directory: some hundreds): another copy takes the links that are left."""
    kind, dst = place
    number = 66_000 if kind == "ext4" else 2_000
    src = os.path.join(here, b"src")
    create(src, Dir({b"f": File(b"linked", mtime_ns=T)}, mtime_ns=T))
    directory = os.open(src, os.O_RDONLY)
    for index in range(number - 1):
        os.link(b"f", b"%06d" % index, src_dir_fd=directory, dst_dir_fd=directory)
    os.close(directory)
    result = arsync("-aH", src + b"/", dst, timeout=250)
    if kind == "vfat":
        return
    assert (result.code, result.err) == (0, b"")
    inodes: dict[int, int] = {}
    with os.scandir(dst) as entries:
        for entry in entries:
            inodes[entry.inode()] = inodes.get(entry.inode(), 0) + 1
    assert sum(inodes.values()) == number
    assert len(inodes) <= 200
    again = arsync("-aH", "--stats", src + b"/", dst, timeout=250)
    assert again.code == 0
    assert b"regular files transferred: 0" in again.out


def _limit(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


@pytest.mark.parametrize("engine", ["auto", pytest.param("uring", marks=pytest.mark.needs_ring), "plain"])
@pytest.mark.parametrize("limit", [40, 64, 128])
def test_few_descriptors_and_many_files(here: bytes, engine: str, limit: int) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(
        src,
        Dir({b"d%d" % d: Dir({b"%d" % n: File(b"x", mtime_ns=T) for n in range(700)}, mtime_ns=T) for d in range(4)}),
    )
    result = arsync("-a", f"--io-engine={engine}", src + b"/", dst, before=lambda: _limit(limit))
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.needs_root
@pytest.mark.parametrize("limit", [64, 256])
def test_few_descriptors_on_their_way(here: bytes, limit: int) -> None:
    """An ordinary user's descriptors in flight between processes are limited too (ETOOMANYREFS)."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"%05d" % n: File(mtime_ns=T) for n in range(9000)}, mtime_ns=T))
    create(dst, Dir())
    os.chown(dst, 65534, 65534)
    result = arsync_as_nobody("-rlt", "--workers=4", src + b"/", dst, before=lambda: _limit(limit))
    assert (result.code, result.err) == (0, b"")
    assert len(os.listdir(dst)) == 9000


@pytest.mark.needs_root
def test_devices_are_roots(here: bytes) -> None:
    """An ordinary user's -a passes devices over, as rsync's does."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"null": Device(0o20644, os.makedev(1, 3)), b"f": File(b"f")}))
    create(dst, Dir())
    os.chown(dst, 65534, 65534)
    result = arsync_as_nobody("-a", src + b"/", dst)
    assert (result.code, result.err, result.out) == (0, b"", b'skipping non-regular file "null"\n')
    assert os.listdir(dst) == [b"f"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_links_from_outside(here: bytes, workers: str) -> None:
    """Files whose other names are outside of the transfer are waited for only until the walk is over."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"%04d" % n: File(b"x", mtime_ns=T) for n in range(2000)}, mtime_ns=T))
    outside = os.path.join(here, b"outside")
    os.mkdir(outside)
    for name in os.listdir(src):
        os.link(os.path.join(src, name), os.path.join(outside, name))
    result = arsync("-aH", f"--workers={workers}", src + b"/", dst, timeout=60)
    assert (result.code, result.err) == (0, b"")
    assert len(os.listdir(dst)) == 2000
    assert os.stat(os.path.join(dst, b"0000")).st_nlink == 1
