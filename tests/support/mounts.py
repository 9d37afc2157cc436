"""Small file systems of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

_DELAYFS = Path(__file__).parents[2] / "benches" / "delayfs.c"


def run(*command: bytes | str) -> None:
    """Run a command that has to succeed, or skip with what it said."""
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{os.fsdecode(command[0])}: {done.stderr.decode(errors='replace').strip()}")


@contextmanager
def tmpfs(mount: bytes, options: str) -> Iterator[bytes]:
    """A tmpfs with these mount options."""
    os.makedirs(mount, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", options, "none", mount)
    try:
        yield mount
    finally:
        unmount(mount)


@contextmanager
def ext4(mount: bytes, size: int, *, options: str = "loop", features: tuple[str, ...] = ()) -> Iterator[bytes]:
    """An ext4 of ``size`` bytes in an image beside its mount point."""
    with _image(mount, size, options, "mkfs.ext4", "-q", "-F", "-m", "0", *features) as made:
        yield made


@contextmanager
def xfs(mount: bytes, *, options: str = "loop") -> Iterator[bytes]:
    """An XFS of the least size that it may have."""
    with _image(mount, 300 << 20, options, "mkfs.xfs", "-q", "-f") as made:
        yield made


@contextmanager
def btrfs(mount: bytes) -> Iterator[bytes]:
    """A btrfs of 400 MiB."""
    with _image(mount, 400 << 20, "loop", "mkfs.btrfs", "-q", "-f") as made:
        yield made


@contextmanager
def _image(mount: bytes, size: int, options: str, *make: str) -> Iterator[bytes]:
    os.makedirs(mount, exist_ok=True)
    image = mount + b".image"
    with open(image, "wb") as file:
        file.truncate(size)
    run(*make, image)
    run("mount", "-o", options, image, mount)
    try:
        yield mount
    finally:
        unmount(mount)


@cache
def delayfs_server(directory: str) -> str:
    """The compiled file system of benches/delayfs.c, made in ``directory``; skips where it cannot be."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("FUSE needs root and /dev/fuse")
    if not all(map(shutil.which, ("cc", "pkg-config", "fusermount3"))):
        pytest.skip("cc, pkg-config or fusermount3 is not installed")
    found = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("libfuse3-dev is not installed")
    program = os.path.join(directory, "delayfs")
    subprocess.run(["cc", "-O2", "-o", program, str(_DELAYFS), *found.stdout.split()], check=True)
    return program


@contextmanager
def delayfs(server: str, back: bytes, mount: bytes, *options: str) -> Iterator[bytes]:
    """The FUSE file system of benches/delayfs.c over ``back``."""
    os.makedirs(back, exist_ok=True)
    os.makedirs(mount, exist_ok=True)
    process = subprocess.Popen([server, *options, back, mount], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not os.path.ismount(mount):
            assert time.monotonic() < deadline, "it was not mounted"
            time.sleep(0.01)
        yield mount
    finally:
        unmount(mount)
        process.wait(timeout=30)


def unmount(mount: bytes) -> None:
    """Unmount; who still holds it gets a moment."""
    for _ in range(50):
        if subprocess.run(["umount", mount], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", mount], check=True)
