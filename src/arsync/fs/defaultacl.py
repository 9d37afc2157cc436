"""What a directory's default ACL leaves of the permissions of what is made in it, in the place of the umask."""

from __future__ import annotations

import errno
import os
import struct

from arsync.fs.xattr import ACL_DEFAULT, UNSUPPORTED, Target

#: The entries of an ACL (acl(5)) as the kernel has them behind four bytes of version: tag, permissions, id.
_ENTRY = struct.Struct("<HHI")
_OWNER, _GROUP, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20


def default_perms(directory: Target, otherwise: int) -> int:
    """The permissions that new entries of ``directory`` may have: those of its default ACL, where it has one, else
    ``otherwise``. Raises OSError where it cannot be read."""
    try:
        value = os.getxattr(directory, ACL_DEFAULT)
    except OSError as error:
        if error.errno != errno.ENODATA and error.errno not in UNSUPPORTED:
            raise
        return otherwise
    perms: dict[int, int] = {tag: bits for tag, bits, _ in _ENTRY.iter_unpack(value[4:])}
    group = perms.get(_MASK, perms.get(_GROUP, 0))
    return perms.get(_OWNER, 0) << 6 | group << 3 | perms.get(_OTHER, 0)
