"""Extended attributes and ACLs, byte for byte.

Values are read and written through the ring where it has the opcode (FGETXATTR, FSETXATTR); listing and removing
have none, and neither has anything on a file that is held by O_PATH only (a symlink, a device): those go through
the ``xattr`` package. Its inner functions are used because the public ones decode names strictly as UTF-8. Where it
cannot be imported, ``os`` has the same calls.

POSIX ACLs are the two attributes below; they are copied as the kernel gives them, so nothing is lost in between.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from arsync.fs.protocol import FileOps

ACL_ACCESS = b"system.posix_acl_access"
"""The attribute that holds an entry's ACL (acl(5)), as bytes of the kernel.

Examples:
    >>> from arsync.fs import ACL_ACCESS, AT_FDCWD, open_fileops, read_attributes
    >>> with open_fileops() as files, open("project/notes.txt") as file:
    ...     files.run(read_attributes, file.fileno(), lambda name: name == ACL_ACCESS)
    {}
"""

ACL_DEFAULT = b"system.posix_acl_default"
"""The attribute that holds a directory's default ACL, which new entries get.

Examples:
    >>> from arsync.fs import ACL_DEFAULT, open_fileops, read_attributes
    >>> fd = os.open("project", os.O_RDONLY)
    >>> with open_fileops() as files:
    ...     files.run(read_attributes, fd, lambda name: name == ACL_DEFAULT)
    {}
    >>> os.close(fd)
"""

CAPABILITY = b"security.capability"
ACL_NAMES = frozenset({ACL_ACCESS, ACL_DEFAULT})

#: What the destination of a run bears until the run has ended (arsync.engine.unfinished): no part of any tree.
UNFINISHED = b"user.arsync.unfinished."

#: A file system without extended attributes answers with one of these.
UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})

Attributes = dict[bytes, bytes]
Wanted = Callable[[bytes], bool]


#: An open descriptor, or `path_of` an O_PATH one.
Target = int | bytes


def path_of(fd: int) -> bytes:
    """Name the inode that an O_PATH descriptor holds (proc(5)), for functions that need an open file or a path.

    What is done to this path is done to that inode, and to nothing that has taken its name since; a symlink's own inode
    is not followed. It needs /proc.

    Args:
        fd: a descriptor, perhaps of a symlink or a device, which stays open meanwhile

    Examples:
        >>> from arsync.fs import open_fileops, path_of, read_attributes
        >>> link = os.open("project/latest", os.O_PATH | os.O_NOFOLLOW)
        >>> with open_fileops() as files:
        ...     files.run(read_attributes, path_of(link), lambda name: True)
        {}
        >>> os.close(link)
    """
    return b"/proc/self/fd/%d" % fd


def is_held(path: bytes) -> bool:
    """Whether a path is :func:`path_of` a descriptor: a symlink to what is meant."""
    return path.startswith(b"/proc/self/fd/") and path[len(b"/proc/self/fd/") :].isdigit()


def is_bare(target: Target) -> bool:
    """Whether an inode has no attributes and no ACLs at all: nothing then has to be read, set or removed. A plain call,
    for the warm paths: what it costs is most of the kernel's. Raises OSError, where a file system has none too."""
    return not os.listxattr(target, follow_symlinks=isinstance(target, int))


def wanted_names(
    *,
    acls: bool,
    xattrs: bool,
    privileged: bool,
    special: bool = False,
    excluded: Callable[[bytes], bool] | None = None,
) -> Wanted:
    """Which attributes a copy carries, as rsync has it: ``user.*`` for anybody, every namespace but ``system.``
    for root, ACLs only with -A, and what --fake-super stores only if ``special`` (-XX); ``excluded`` tells which of
    them a filter rule leaves alone."""

    def wanted(name: bytes) -> bool:
        if name.startswith(b"system."):
            return acls and name in ACL_NAMES
        if not special and name.startswith(b"user.rsync.%"):
            return False
        return xattrs and (privileged or name.startswith(b"user.")) and not name.startswith(UNFINISHED)

    if excluded is None:
        return wanted
    leaves_alone = excluded
    return lambda name: wanted(name) and (name in ACL_NAMES or not leaves_alone(name))


@cache
def _library() -> Any:
    """The inner part of the ``xattr`` package; None where it cannot be imported: ``os`` has the same calls."""
    try:
        return import_module("xattr.lib")
    except (ImportError, OSError):
        return None


def _list(target: Target) -> list[bytes]:
    library = _library()
    try:
        if library is None:
            return [os.fsencode(name) for name in os.listxattr(target)]
        packed = library._flistxattr(target) if isinstance(target, int) else library._listxattr(target)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return []
        raise
    return [name for name in packed.split(b"\0") if name]


def _get(target: bytes, name: bytes) -> bytes:
    library = _library()
    return os.getxattr(target, name) if library is None else bytes(library._getxattr(target, name))


def _set(target: bytes, name: bytes, value: bytes) -> None:
    library = _library()
    if library is None:
        os.setxattr(target, name, value)
    else:
        library._setxattr(target, name, value)


def _remove(target: Target, name: bytes) -> None:
    library = _library()
    if library is None:
        os.removexattr(target, name)
    elif isinstance(target, int):
        library._fremovexattr(target, name)
    else:
        library._removexattr(target, name)


async def read_attributes(ops: FileOps, target: Target, wanted: Wanted) -> Attributes:
    """Read extended attributes, ACLs among them. Nothing is interpreted.

    Empty where the file system has none. An attribute that is removed while this runs is left out.

    Args:
        ops: the operations
        target: an open descriptor, or `path_of` one that was opened with O_PATH
        wanted: is given each name, and says whether it is to be read

    Returns:
        Values by name, both bytes.

    Raises:
        OSError: what the kernel says, EACCES for instance

    Examples:
        >>> from arsync.fs import open_fileops, read_attributes
        >>> os.setxattr("project/notes.txt", "user.note", b"any bytes")
        >>> with open_fileops() as files, open("project/notes.txt") as file:
        ...     files.run(read_attributes, file.fileno(), lambda name: name.startswith(b"user."))
        {b'user.note': b'any bytes'}
    """
    found: Attributes = {}
    for name in await ops.call(_list, target):
        if not wanted(name):
            continue
        try:
            if isinstance(target, int):
                found[name] = await ops.fgetxattr(target, name)
            else:
                found[name] = await ops.call(_get, target, name)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
    return found


async def write_attributes(
    ops: FileOps, target: Target, new: Attributes, old: Attributes
) -> list[tuple[bytes, OSError]]:
    """Set and remove extended attributes, ACLs among them, so that those that are ``old`` become ``new``.

    Args:
        ops: the operations
        target: an open descriptor, or `path_of` one that was opened with O_PATH
        new: what it must end up with
        old: what it has of these and of those that are to be removed; others are left alone

    Returns:
        The attributes that could not be set or removed, each with its OSError. One does not keep the others from it.

    Examples:
        >>> from arsync.fs import open_fileops, write_attributes
        >>> with open_fileops() as files, open("project/notes.txt") as file:
        ...     files.run(write_attributes, file.fileno(), {b"user.note": b"any bytes"}, {})
        []
        >>> os.getxattr("project/notes.txt", "user.note")
        b'any bytes'
    """
    failed: list[tuple[bytes, OSError]] = []
    for name in old:
        if name not in new:
            try:
                await ops.call(_remove, target, name)
            except OSError as error:
                if error.errno != errno.ENODATA:
                    failed.append((name, error))
    for name, value in new.items():
        if old.get(name) == value:
            continue
        try:
            if isinstance(target, int):
                await ops.fsetxattr(target, name, value)
            else:
                await ops.call(_set, target, name, value)
        except OSError as error:
            failed.append((name, error))
    return failed
