"""What only the kernel can be asked for, and ``os`` does not offer: remounting, quotas, seccomp filters."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct
import subprocess
from collections.abc import Callable

import pytest

_MS_RDONLY, _MS_REMOUNT = 1, 32
_Q_SETQUOTA, _QIF_BLIMITS = 0x800008, 1
_USRQUOTA, _PRJQUOTA = 0, 2
_FS_IOC_FSGETXATTR, _FS_IOC_FSSETXATTR, _FS_XFLAG_PROJINHERIT = 0x801C581F, 0x401C5820, 0x200
_IO_URING = {"setup": 425, "enter": 426, "register": 427}  # the same on every architecture


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def remount(mount: bytes, *, read_only: bool) -> None:
    """Make a file system read-only, or writable again, at once; raises OSError (EBUSY while files are written)."""
    flags = _MS_REMOUNT | (_MS_RDONLY if read_only else 0)
    if _libc().mount(None, mount, None, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def set_quota(mount: bytes, number: int, limit: int, *, project: bool = False) -> None:
    """Allow a user, or a project, ``limit`` bytes (0: any number) on a mounted file system; skips where there are no
    quotas."""
    done = subprocess.run(["findmnt", "-no", "SOURCE", mount], capture_output=True, check=True)
    blocks = -(-limit // 1024)
    quota = struct.pack("@QQQQQQQQI4x", blocks, blocks, 0, 0, 0, 0, 0, 0, _QIF_BLIMITS)
    command = _Q_SETQUOTA << 8 | (_PRJQUOTA if project else _USRQUOTA)
    if _libc().quotactl(command, done.stdout.strip(), number, quota):
        pytest.skip(f"no quotas here: {os.strerror(ctypes.get_errno())}")


def set_project(directory: bytes, project: int) -> None:
    """Make a directory, and all that will be made in it, a project's; skips where there are no projects."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags, size, extents, _, cow = struct.unpack("5I8x", fcntl.ioctl(fd, _FS_IOC_FSGETXATTR, bytes(28)))
        flags |= _FS_XFLAG_PROJINHERIT
        fcntl.ioctl(fd, _FS_IOC_FSSETXATTR, struct.pack("5I8x", flags, size, extents, project, cow))
    except OSError as error:
        pytest.skip(f"no projects here: {error.strerror}")
    finally:
        os.close(fd)


def refuse_io_uring(call: str, number: int) -> Callable[[], None]:
    """What a child runs first so that one io_uring call answers with ``number``, by a seccomp filter."""
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip("the seccomp filter is written for two machines")
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the number of the call
            (0x15, 0, 1, _IO_URING[call]),  # is it this one?
            (0x06, 0, 0, 0x00050000 | number),  # SECCOMP_RET_ERRNO
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        )
    )
    libc = _libc()
    held = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(held)))

    def install() -> None:
        assert held
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(header)), 0, 0):
            os._exit(99)  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP

    return install
