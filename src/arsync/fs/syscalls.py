"""System calls that Python's ``os`` does not offer, through libc.

ctypes is imported when the first of them is needed: a run that only compares files never pays for it.
"""

from __future__ import annotations

import errno
import os
from functools import cache
from typing import Any

AT_FDCWD = -100
"""In place of a directory's descriptor: names are relative to the current directory.

Examples:
    >>> from arsync.fs import AT_FDCWD, open_fileops
    >>> with open_fileops() as files:
    ...     files.run(lambda ops: ops.lstat(AT_FDCWD, b"project/notes.txt")).st_size
    11
"""

AT_SYMLINK_NOFOLLOW = 0x100

AT_REMOVEDIR = 0x200
"""``FileOps.unlinkat``: remove an empty directory.

Examples:
    >>> from arsync.fs import AT_FDCWD, AT_REMOVEDIR, open_fileops
    >>> with open_fileops() as files:
    ...     files.run(lambda ops: ops.mkdirat(AT_FDCWD, b"empty", 0o755))
    ...     files.run(lambda ops: ops.unlinkat(AT_FDCWD, b"empty", AT_REMOVEDIR))
"""

AT_SYMLINK_FOLLOW = 0x400
"""``FileOps.linkat``: link to what a symlink leads to, not to the symlink itself.

Examples:
    >>> from arsync.fs import AT_FDCWD, AT_SYMLINK_FOLLOW, open_fileops
    >>> with open_fileops() as files:
    ...     files.run(lambda ops: ops.linkat(AT_FDCWD, b"project/latest", AT_FDCWD, b"guide", AT_SYMLINK_FOLLOW))
    ...     files.run(lambda ops: ops.lstat(AT_FDCWD, b"project/docs/guide.txt")).st_nlink
    2
"""

AT_EMPTY_PATH = 0x1000
"""``FileOps.linkat``: with an empty ``old``, link to the open file ``old_dir``. Before Linux 6.10 this needs
CAP_DAC_READ_SEARCH, and is ENOENT without it; ``give_name`` knows another way.

Examples:
    >>> import os
    >>> from arsync.fs import AT_EMPTY_PATH, AT_FDCWD, open_fileops
    >>> with open_fileops() as files, open("project/notes.txt") as file:
    ...     try:
    ...         files.run(lambda ops: ops.linkat(file.fileno(), b"", AT_FDCWD, b"same notes", AT_EMPTY_PATH))
    ...     except FileNotFoundError:
    ...         print("Linux is older than 6.10, and this is not root")
"""

RENAME_EXCHANGE = 0x02

RESOLVE_NO_XDEV = 0x01
"""``FileOps.openat2``: refuse (EXDEV) to go to another mount.

Examples:
    >>> import os
    >>> from arsync.fs import AT_FDCWD, RESOLVE_NO_XDEV, open_fileops
    >>> with open_fileops() as files:
    ...     files.run(lambda ops: ops.openat2(AT_FDCWD, b"/proc/self", os.O_PATH, 0, RESOLVE_NO_XDEV))
    Traceback (most recent call last):
    OSError: [Errno 18] Invalid cross-device link
"""

RESOLVE_NO_MAGICLINKS = 0x02
"""``FileOps.openat2``: refuse (ELOOP) the links of /proc that lead to open files.

Examples:
    >>> import os
    >>> from arsync.fs import AT_FDCWD, RESOLVE_NO_MAGICLINKS, open_fileops
    >>> with open_fileops() as files:
    ...     files.run(lambda ops: ops.openat2(AT_FDCWD, b"/proc/self/cwd/x", os.O_PATH, 0, RESOLVE_NO_MAGICLINKS))
    Traceback (most recent call last):
    OSError: [Errno 40] Too many levels of symbolic links
"""

RESOLVE_NO_SYMLINKS = 0x04
"""``FileOps.openat2``: refuse (ELOOP) every symlink in the name, and not only the last.

Examples:
    >>> import os
    >>> from arsync.fs import AT_FDCWD, RESOLVE_NO_SYMLINKS, open_fileops
    >>> with open_fileops() as files:
    ...     files.run(lambda ops: ops.openat2(AT_FDCWD, b"project/latest", os.O_RDONLY, 0, RESOLVE_NO_SYMLINKS))
    Traceback (most recent call last):
    OSError: [Errno 40] Too many levels of symbolic links
"""

RESOLVE_BENEATH = 0x08
"""``FileOps.openat2``: refuse (EXDEV) what leads out of the directory, by ``..``, a symlink or an absolute name.

Examples:
    >>> import os
    >>> from arsync.fs import AT_FDCWD, RESOLVE_BENEATH, open_fileops
    >>> with open_fileops() as files:
    ...     os.close(files.run(lambda ops: ops.openat2(AT_FDCWD, b"project", os.O_PATH, 0, RESOLVE_BENEATH)))
    ...     files.run(lambda ops: ops.openat2(AT_FDCWD, b"../elsewhere", os.O_PATH, 0, RESOLVE_BENEATH))
    Traceback (most recent call last):
    OSError: [Errno 18] Invalid cross-device link
"""

FALLOC_FL_KEEP_SIZE = 0x01
"""``FileOps.fallocate``: leave the file's size as it is, also where space is allocated beyond its end.

Examples:
    >>> import os
    >>> from arsync.fs import FALLOC_FL_KEEP_SIZE, open_fileops
    >>> with open_fileops() as files, open("reserved", "wb") as file:
    ...     files.run(lambda ops: ops.fallocate(file.fileno(), FALLOC_FL_KEEP_SIZE, 0, 1 << 20))
    ...     os.path.getsize("reserved")
    0
"""

FALLOC_FL_PUNCH_HOLE = 0x02
"""``FileOps.fallocate``, with ``FALLOC_FL_KEEP_SIZE``: make a hole, which takes no space and reads as zeros.

Examples:
    >>> from arsync.fs import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, open_fileops
    >>> mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    >>> with open_fileops() as files, open("project/data.bin", "r+b") as file:
    ...     files.run(lambda ops: ops.fallocate(file.fileno(), mode, 4096, 4096))
    ...     file.read()[4096:8192] == bytes(4096)
    True
"""

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
    """Give each of two entries the other's name, atomically (renameat2(2) with RENAME_EXCHANGE).

    Args:
        dir_fd: the open directory that both are in
        one: the name of an entry of any kind
        other: the name of another

    Raises:
        OSError: ENOENT where one is not there; EINVAL or ENOSYS where the file system or the kernel cannot
        ValueError: a name has a NUL

    Examples:
        >>> from arsync.fs import AT_FDCWD, exchange
        >>> exchange(AT_FDCWD, b"project/notes.txt", b"project/docs")
        >>> os.listdir("project/notes.txt")
        ['guide.txt']
    """
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
