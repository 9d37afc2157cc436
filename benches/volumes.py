"""Fresh file systems to copy on: loop images, tmpfs, or a plain directory; all gone at the end, also on Ctrl-C."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

#: Sparse, so this is what a case may fill, not what it takes.
IMAGE_BYTES = 32 << 30
#: tmpfs takes memory only for what is in it; a case that overfills it fails instead of the machine.
TMPFS_OPTIONS = "size=75%,nr_inodes=4m"

#: How to make each file system, and its mount options. ext4's inode tables are initialised as they are used, not by a
#: kernel thread that would run during the measurement.
MKFS: dict[str, tuple[list[str], str]] = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1"], "loop,noinit_itable"),
    "xfs": (["mkfs.xfs", "-q", "-f", "-m", "reflink=0"], "loop"),
    "xfs-reflink": (["mkfs.xfs", "-q", "-f", "-m", "reflink=1"], "loop"),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], "loop"),
}
#: The kind that stands for a directory of an existing file system: the only one for an ordinary user.
DIRECTORY = "directory"


class UnavailableError(Exception):
    """This machine or user cannot provide what a case needs; the message says why."""


def run(*command: str | Path) -> None:
    """Run a set-up command; raises UnavailableError with its last words if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise UnavailableError(f"{command[0]}: {words[-1]}")


def unmount(path: Path) -> None:
    """Unmount, waiting a moment for the last user to leave; what still holds it then loses it (MNT_DETACH)."""
    for _ in range(50):
        if not os.path.ismount(path):
            return
        if subprocess.run(["umount", path], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", path], check=False)


def settle() -> None:
    """Wait until nothing is left to be written, so that one run's writeback is not billed to the next."""
    os.sync()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _waiting_to_be_written() > 4 << 20:
        time.sleep(0.05)


def have_memory(size: int) -> None:
    """Use so many bytes of memory, and free them. A virtual machine may give back to its host what is free, and whoever
    uses it next waits until the host has found some again: up to two seconds for a GiB."""
    size = min(size, os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE // 2)
    with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        with suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
        for place in range(0, size, mmap.PAGESIZE):
            pages[place] = 1


def _waiting_to_be_written() -> int:
    """Bytes under writeback, as the kernel counts them."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Writeback:"):
            return int(line.split()[1]) * 1024
    return 0


def drop_caches() -> None:
    """Forget cached names, inodes and pages that are clean (root only)."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


@contextmanager
def volume(kind: str, scratch: Path, directory: Path | None) -> Iterator[Path]:
    """A new, empty file system of this kind, mounted under ``scratch``; unmounted and removed afterwards."""
    if kind == DIRECTORY:
        with _below(directory or scratch) as path:
            yield path
        return
    if os.geteuid():
        raise UnavailableError("needs root to mount a fresh file system")
    mountpoint = Path(mkdtemp(prefix=f"{kind}-", dir=scratch))
    image = mountpoint.with_suffix(".img")
    try:
        if kind == "tmpfs":
            run("mount", "-t", "tmpfs", "-o", TMPFS_OPTIONS, "tmpfs", mountpoint)
        else:
            command, options = MKFS[kind]
            with image.open("wb") as file:
                file.truncate(IMAGE_BYTES)
            run(*command, image)
            run("mount", "-o", options, image, mountpoint)
        yield mountpoint
    finally:
        unmount(mountpoint)
        image.unlink(missing_ok=True)
        mountpoint.rmdir()


@contextmanager
def _below(parent: Path) -> Iterator[Path]:
    path = Path(mkdtemp(prefix="arsync-bench-", dir=parent))
    try:
        yield path
    finally:
        # rm, since shutil.rmtree recurses and the deep tree is deeper than Python's stack.
        subprocess.run(["rm", "-rf", path], check=False)


@contextmanager
def delayed(server: Path, backing: Path, scratch: Path, delay_us: int, cache_s: float) -> Iterator[Path]:
    """``backing`` seen through a FUSE file system that answers each operation ``delay_us`` microseconds later."""
    if not os.path.exists("/dev/fuse"):
        raise UnavailableError("no /dev/fuse")
    mountpoint = Path(mkdtemp(prefix="delayfs-", dir=scratch))
    process = subprocess.Popen(
        [server, "-d", str(delay_us), "-t", str(cache_s), backing, mountpoint],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        while not os.path.ismount(mountpoint):
            if process.poll() is not None:
                raise UnavailableError(f"delayfs: {(process.communicate()[1] or 'could not mount').strip()}")
            time.sleep(0.01)
        yield mountpoint
    finally:
        if os.geteuid() == 0:
            unmount(mountpoint)
        else:
            subprocess.run(["fusermount3", "-u", "-z", mountpoint], capture_output=True, check=False)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        mountpoint.rmdir()


def free_bytes(path: Path) -> int:
    """Bytes free on the file system, once everything is written."""
    os.sync()
    st = os.statvfs(path)
    return st.f_bfree * st.f_frsize


def room_for_images(scratch: Path) -> int:
    """Bytes that images under ``scratch`` can really take."""
    return shutil.disk_usage(scratch).free
