"""A directory's default ACL, as far as it says which permissions new entries get at the most.

Where a directory has one, it takes the place of the umask: the kernel does it so, and without -p rsync does too.
"""

from __future__ import annotations

import errno
import os
import struct

from arsync.fs.protocol import FileOps
from arsync.fs.xattr import ACL_DEFAULT, UNSUPPORTED, Target

_HEADER = 4  # bytes, a version number
_ENTRY = struct.Struct("<HHI")  # whom it is for, read-write-execute bits, an id

#: How far to the left the bits of each kind of entry stand in a mode; the mask is what the mode shows for the group.
_OWNER, _GROUP, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


def permissions(acl: bytes) -> int:
    """The permission bits that an ACL stands for, from the value of its attribute.

    >>> oct(permissions(bytes.fromhex("02000000 01000700ffffffff 04000500ffffffff 20000000ffffffff")))
    '0o750'
    """
    bits: dict[int, int] = {tag: perms for tag, perms, _ in _ENTRY.iter_unpack(acl[_HEADER:])}
    return bits.get(_OWNER, 7) << 6 | bits.get(_MASK, bits.get(_GROUP, 0)) << 3 | bits.get(_OTHER, 0)


def default_permissions(directory: Target, otherwise: int) -> int:
    """What new entries of ``directory`` may have: what its default ACL says; ``otherwise`` where it has none.
    Raises OSError."""
    try:
        return permissions(os.getxattr(directory, ACL_DEFAULT))
    except OSError as error:
        return _none(error, otherwise)


async def read_default_permissions(ops: FileOps, dir_fd: int, otherwise: int) -> int:
    """The same of an open directory, through the backend."""
    try:
        return permissions(await ops.fgetxattr(dir_fd, ACL_DEFAULT))
    except OSError as error:
        return _none(error, otherwise)


def _none(error: OSError, otherwise: int) -> int:
    """``otherwise`` where the error says that there is no ACL, or can be none."""
    if error.errno != errno.ENODATA and error.errno not in UNSUPPORTED:
        raise error
    return otherwise
