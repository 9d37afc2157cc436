"""System calls that Python's ``os`` does not offer, through libc.

ctypes is imported when the first of them is needed: a run that only compares files never pays for it.
"""

from __future__ import annotations

import errno
import os
from functools import cache
from typing import Any

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_REMOVEDIR = 0x200
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

RENAME_EXCHANGE = 0x02

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

FALLOC_FL_KEEP_SIZE = 0x01
FALLOC_FL_PUNCH_HOLE = 0x02

#: The system call's number is the same on every architecture: openat2 came after they were unified (Linux 5.6).
_SYS_OPENAT2 = 437
_PR_SET_PDEATHSIG = 1


@cache
def _libc() -> Any:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.linkat.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
    libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if hasattr(libc, "renameat2"):  # glibc 2.28, musl 1.2.5
        libc.renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    libc.syscall.restype = ctypes.c_long
    return libc


def held_function(name: str) -> Any:
    """A function of libc that is called with the GIL held, for what returns at once, without argument types: bytes,
    small integers and what byref() gives. It returns an int. Raises OSError (ENOSYS) where there is none."""
    import ctypes

    try:
        return ctypes.PyDLL(None)[name]
    except AttributeError as error:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error


def _raise_errno() -> None:
    import ctypes

    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def _no_nul(name: bytes) -> bytes:
    """A NUL would silently end the name in C."""
    if b"\0" in name:
        raise ValueError("embedded null byte")
    return name


def linkat(old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int) -> None:
    """linkat(2) with flags: ``os.link`` has no AT_EMPTY_PATH."""
    if _libc().linkat(old_dir, _no_nul(old), new_dir, _no_nul(new), flags):
        _raise_errno()


def give_name(fd: int, dir_fd: int, name: bytes) -> None:
    """linkat(2) with AT_EMPTY_PATH: give an O_TMPFILE file its name, which holds no NUL. Raises OSError."""
    if _libc().linkat(fd, b"", dir_fd, name, AT_EMPTY_PATH):
        _raise_errno()


def exchange(dir_fd: int, one: bytes, other: bytes) -> None:
    """renameat2(2) with RENAME_EXCHANGE: each entry gets the other's name, at once. Raises OSError; EINVAL or ENOSYS
    where the file system or the kernel cannot."""
    if not hasattr(_libc(), "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _libc().renameat2(dir_fd, _no_nul(one), dir_fd, _no_nul(other), RENAME_EXCHANGE):
        _raise_errno()


def openat2(dir_fd: int, name: bytes, flags: int, mode: int, resolve: int) -> int:
    """openat2(2). Raises ENOSYS before Linux 5.6; EAGAIN (a rename raced with RESOLVE_BENEATH) is retried."""
    how = (flags | os.O_CLOEXEC).to_bytes(8, "little") + mode.to_bytes(8, "little") + resolve.to_bytes(8, "little")
    while True:
        fd: int = _libc().syscall(_SYS_OPENAT2, dir_fd, _no_nul(name), how, len(how))
        if fd >= 0:
            return fd
        try:
            _raise_errno()
        except BlockingIOError as error:
            if error.errno != errno.EAGAIN:
                raise


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2) with a mode: ``os.posix_fallocate`` has none, and writes zeros where it is not supported."""
    if _libc().fallocate(fd, mode, offset, length):
        _raise_errno()


def syncfs(fd: int) -> None:
    """syncfs(2): bring everything that the file system of ``fd`` was given to the disk. Raises OSError; since Linux 5.8
    also where something that was written earlier could not be brought there."""
    if _libc().syncfs(fd):
        _raise_errno()


def die_with_parent(signal: int) -> None:
    """Ask the kernel to send this process ``signal`` when its parent ends (prctl PR_SET_PDEATHSIG)."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)


def raw_syscall(number: int, *arguments: int) -> int:
    """Make a system call by its number, with whole numbers as arguments; returns 0, or the errno."""
    import ctypes

    if _libc().syscall(number, *(ctypes.c_long(argument) for argument in arguments)) >= 0:
        return 0
    return ctypes.get_errno()
