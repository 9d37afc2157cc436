"""--fake-super: what only root can set is kept in an extended attribute of the entry, in rsync's format.

The entry itself is a directory or a regular file that its owner can always read and write. Its attribute
``user.rsync.%stat`` says what it is: ``mode major,minor uid:gid``, the mode in octal. It is there only where the entry
is something else than it looks. A symlink is a file with its target as contents; a device, fifo or socket is empty.
Attributes of other namespaces than ``user.`` get ``user.rsync.`` before their names, ACLs names of their own.
"""

from __future__ import annotations

import errno
import os
import re
import stat

from arsync.fs.apply import Problem, set_basic
from arsync.fs.metadata import MODE_BITS, Change
from arsync.fs.protocol import StatResult
from arsync.fs.statx import changed
from arsync.fs.xattr import ACL_ACCESS, ACL_DEFAULT, UNSUPPORTED, Attributes, Target, Wanted, is_held

STAT = b"user.rsync.%stat"

_PREFIX = b"user.rsync."
_ACLS = {b"user.rsync.%aacl": ACL_ACCESS, b"user.rsync.%dacl": ACL_DEFAULT}
_STORED_ACLS = {name: stored for stored, name in _ACLS.items()}

_FORMAT = rb"([0-7]{1,7}) (\d{1,10}),(\d{1,10}) (\d{1,10}):(\d{1,10})\0?"

#: The highest number of a user or a group, and of a part of a device (Linux has 20 bits for it, C an int).
_HIGHEST, _HIGHEST_PART = (1 << 32) - 1, (1 << 31) - 1

#: The longest target of a symlink.
_PATH_MAX = 4096


def as_stored(path: Target, st: StatResult) -> StatResult:
    """The status that is stored with a regular file or a directory; of anything else, and of one with which none is
    stored, its own."""
    if not (stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode)):
        return st
    try:
        value = os.getxattr(path, STAT, **({} if isinstance(path, int) else {"follow_symlinks": is_held(path)}))
    except OSError as error:
        if error.errno == errno.ENODATA or error.errno in UNSUPPORTED:
            return st
        raise
    mode, major, minor, uid, gid = _parsed(value)
    return changed(st, st_mode=mode, st_rdev=os.makedev(major, minor), st_uid=uid, st_gid=gid)


def _parsed(value: bytes) -> list[int]:
    """Mode, major, minor, uid and gid. Anybody may have written the attribute: raises OSError where it says what
    cannot be."""
    match = re.fullmatch(_FORMAT, value)
    numbers = [int(match[1], 8), *map(int, match.groups()[1:])] if match is not None else []
    if (
        not numbers
        or max(numbers) > _HIGHEST
        or max(numbers[1:3]) > _HIGHEST_PART
        or stat.filemode(numbers[0])[0] == "?"
    ):
        raise OSError(errno.EINVAL, f"its attribute {STAT.decode()} is damaged")
    return numbers


def set_stored(target: Target, change: Change) -> list[Problem]:
    """As :func:`~arsync.fs.apply.set_basic`, with an attribute instead of root's rights."""
    problems: list[Problem] = []
    if change[:3] != (-1, -1, -1) or change.kind:
        try:
            _store(target, change)
        except OSError as error:
            problems.append(("set attribute user.rsync.%stat of", error))
    return problems + set_basic(target, Change(mtime_ns=change.mtime_ns, atime_ns=change.atime_ns))


def _store(target: Target, change: Change) -> None:
    real = os.stat(target)
    stored = as_stored(target, real)
    kind = change.kind or stat.S_IFMT(stored.st_mode)
    device = change.device if change.kind else stored.st_rdev if _is_device(kind) else 0
    mode = stat.S_IMODE(stored.st_mode) if change.mode == -1 else change.mode
    uid = stored.st_uid if change.uid == -1 else change.uid
    gid = stored.st_gid if change.gid == -1 else change.gid
    usable = mode & 0o777 | (0o700 if stat.S_ISDIR(real.st_mode) else 0o600)
    if usable != real.st_mode & MODE_BITS:
        os.chmod(target, usable)
    if (kind, mode, uid, gid, device) == (stat.S_IFMT(real.st_mode), usable, real.st_uid, real.st_gid, 0):
        try:
            os.removexattr(target, STAT)
        except OSError as error:
            if error.errno != errno.ENODATA and error.errno not in UNSUPPORTED:
                raise
        return
    value = b"%o %d,%d %d:%d" % (kind | mode, os.major(device), os.minor(device), uid, gid)
    os.setxattr(target, STAT, value)


def _is_device(kind: int) -> bool:
    return kind in (stat.S_IFBLK, stat.S_IFCHR)


def make_file(name: bytes, contents: bytes, dir_fd: int) -> None:
    """Make the file that stands for a symlink, or for an entry without contents; one that is not whole is removed."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=dir_fd)
    try:
        try:
            os.write(fd, contents)
        finally:
            os.close(fd)
    except OSError:
        os.unlink(name, dir_fd=dir_fd)
        raise


def read_target(name: bytes, dir_fd: int) -> bytes:
    """The target of a symlink, or of the file that stands for one. Raises OSError, ESTALE where it is neither."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            return os.readlink(b"", dir_fd=fd)
    finally:
        os.close(fd)
    return read_file(name, dir_fd)


def read_file(name: bytes, dir_fd: int) -> bytes:
    """The target in the file that stands for a symlink; empty of a symlink itself, which is to become such a file.
    Raises OSError, ESTALE where it is no file by now: nothing is read of a fifo or a device."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return b""
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return os.read(fd, _PATH_MAX)
    finally:
        os.close(fd)


def wanted_stored(*, acls: bool, xattrs: bool, privileged: bool) -> Wanted:
    """Which attributes of an entry a copy carries, by the names that they have."""

    def wanted(name: bytes) -> bool:
        if name in _ACLS:
            return acls
        if name.startswith((b"user.rsync.%", b"system.")):
            return False
        return xattrs and (privileged or name.startswith(b"user."))

    return wanted


def meant(attributes: Attributes) -> Attributes:
    """Attributes by the names that they stand for."""
    return {_ACLS.get(name) or name.removeprefix(_PREFIX): value for name, value in attributes.items()}


def stored(attributes: Attributes) -> Attributes:
    """Attributes by the names under which they are stored."""
    return {
        _STORED_ACLS.get(name) or (name if name.startswith(b"user.") else _PREFIX + name): value
        for name, value in attributes.items()
    }
