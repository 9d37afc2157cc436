"""Files that have no final name yet: what is being written is never seen under the name people know.

Where the file system offers it, a new file has no name at all until it is complete (O_TMPFILE, then linkat): a
killed run leaves nothing behind, and one directory operation less makes it about 15 % faster than a rename. Where
a file is replaced, or O_TMPFILE is refused, it is ``.name.+RRRXX``, made with O_EXCL: rsync's pattern, but for the
plus sign, which is never among rsync's random characters. RRR is the same in all names of a run, by which what a
killed run left is known (arsync.engine.unfinished).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.syscalls import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW

_NAME_MAX = 255
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

#: errno values of a file system (or a kernel) without O_TMPFILE; EISDIR is what an ignored flag looks like.
_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS, errno.EPERM})

#: Tries of a random name before giving up. Only the same name in the same run can be met twice.
_TRIES = 100


def letters(random: bytes) -> bytes:
    """Random bytes as letters and digits.

    >>> letters(bytes([0, 61, 62]))
    b'A9A'
    """
    return bytes([_LETTERS[byte % len(_LETTERS)] for byte in random])


class _Run:
    """The run that this process works for."""

    letters = letters(os.urandom(3))
    before_first: Callable[[], None] | None = None


def begin_run(run: bytes, before_first: Callable[[], None] | None) -> None:
    """From now on temporary names are those of the run whose three letters are ``run``. ``before_first`` is called
    before the first is made (where threads make it, perhaps more than once)."""
    _Run.letters, _Run.before_first = run, before_first


def temporary_name(name: bytes) -> bytes:
    """A temporary name for ``name``, cut so that it still fits NAME_MAX.

    >>> len(temporary_name(b"x" * 255))
    255
    >>> temporary_name(b"a").startswith(b".a.+")
    True
    """
    if _Run.before_first is not None:
        _Run.before_first()
        _Run.before_first = None
    return _between_dots(name, b"+" + _Run.letters + letters(os.urandom(2)))


def name_to_keep(name: bytes) -> bytes:
    """The same for what must not be lost: nobody takes it for something that a killed run left."""
    return _between_dots(name, letters(os.urandom(6)))


def _between_dots(name: bytes, suffix: bytes) -> bytes:
    room = _NAME_MAX - 2 - len(suffix)
    # A name that begins with a dot keeps just one, as rsync does.
    return b".%b.%b" % (name.lstrip(b".")[:room] if name.startswith(b".") else name[:room], suffix)


def is_just_made(now: StatResult, like: StatResult) -> bool:
    """Whether what stands under a name may be the symlink, device, fifo or socket that was made there a moment ago,
    without any permission and with no other name, and not something of somebody's that was put in its place."""
    if stat.S_IFMT(now.st_mode) != stat.S_IFMT(like.st_mode) or now.st_nlink > 1:
        return False
    if stat.S_ISLNK(now.st_mode):
        return True
    device = stat.S_ISCHR(now.st_mode) or stat.S_ISBLK(now.st_mode)
    return not now.st_mode & 0o7777 and (not device or now.st_rdev == like.st_rdev)


async def open_unnamed(ops: FileOps, dir_fd: int, mode: int) -> int:
    """Open a new file that has no name (O_TMPFILE): nobody sees it, and it is gone when nobody has it open.

    Args:
        ops: the operations
        dir_fd: an open directory of the file system that the file will be on
        mode: permissions of the file, less the umask

    Returns:
        A descriptor, to write and to read back; -1 where the file system has no such files.

    Raises:
        OSError: EACCES, ENOSPC and what else keeps a file from being made

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, open_unnamed, open_fileops
        >>> async def scratch(ops: FileOps, data: bytearray) -> tuple[int, list[str]]:
        ...     fd = await open_unnamed(ops, AT_FDCWD, 0o600)
        ...     try:
        ...         return await ops.write(fd, data, 0), os.listdir(".")
        ...     finally:
        ...         await ops.close(fd)
        >>> with open_fileops() as files:
        ...     files.run(scratch, bytearray(b"for now"))
        (7, ['project'])
    """
    try:
        return await ops.openat(dir_fd, b".", os.O_TMPFILE | os.O_RDWR, mode)
    except OSError as error:
        if error.errno in _NO_TMPFILE:
            return -1
        raise


async def give_name(ops: FileOps, fd: int, dir_fd: int, name: bytes) -> None:
    """Give a file that ``open_unnamed`` opened its name: from then on it is there, with all that it has.

    Args:
        ops: the operations
        fd: the file
        dir_fd: an open directory of the same file system
        name: its name there

    Raises:
        OSError: EEXIST where the name is taken: nothing is ever replaced

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, give_name, open_fileops, open_unnamed
        >>> async def appear(ops: FileOps, name: bytes, data: bytearray) -> None:
        ...     fd = await open_unnamed(ops, AT_FDCWD, 0o644)
        ...     await ops.write(fd, data, 0)
        ...     await give_name(ops, fd, AT_FDCWD, name)
        ...     await ops.close(fd)
        >>> with open_fileops() as files:
        ...     files.run(appear, b"complete", bytearray(b"all of it"))
        >>> os.path.getsize("complete")
        9
    """
    try:
        await ops.linkat(fd, b"", dir_fd, name, AT_EMPTY_PATH)
    except FileNotFoundError:
        # AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH before Linux 6.10; open(2) names this other way.
        await ops.linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, dir_fd, name, AT_SYMLINK_FOLLOW)


async def open_temporary(ops: FileOps, dir_fd: int, name: bytes, mode: int) -> tuple[int, bytes]:
    """Create the temporary file for ``name``; returns its descriptor and its name. A planted name is not followed."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW
    for _ in range(_TRIES):
        temporary = temporary_name(name)
        try:
            return await ops.openat(dir_fd, temporary, flags, mode), temporary
        except FileExistsError:
            continue
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


async def name_temporarily(ops: FileOps, fd: int, dir_fd: int, name: bytes) -> bytes:
    """Give an unnamed file a temporary name, from which it can be renamed over ``name``."""
    for _ in range(_TRIES):
        temporary = temporary_name(name)
        try:
            await give_name(ops, fd, dir_fd, temporary)
        except FileExistsError:
            continue
        return temporary
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
