"""What POSIX ACLs say, as the kernel has them in extended attributes (acl(5)): four bytes of version, then entries."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable

from arsync.fs.xattr import ACL_DEFAULT, ACL_NAMES, UNSUPPORTED, Attributes, Target

_VERSION_SIZE = 4
#: Tag, permissions, id.
_ENTRY = struct.Struct("<HHI")
_OWNER, _USER, _GROUP_OWNER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

MapId = Callable[[int], int]


def default_perms(directory: Target, otherwise: int) -> int:
    """Tell the permissions that new entries of a directory may have: those that its default ACL grants.

    Args:
        directory: an open descriptor, or a path
        otherwise: what is returned where it has no default ACL: mostly the complement of the umask

    Raises:
        OSError: the ACL cannot be read

    Examples:
        >>> from arsync.fs import default_perms
        >>> oct(default_perms(b"project", 0o755))
        '0o755'
    """
    try:
        value = os.getxattr(directory, ACL_DEFAULT)
    except OSError as error:
        if error.errno != errno.ENODATA and error.errno not in UNSUPPORTED:
            raise
        return otherwise
    perms: dict[int, int] = {tag: bits for tag, bits, _ in _ENTRY.iter_unpack(value[_VERSION_SIZE:])}
    group = perms.get(_MASK, perms.get(_GROUP_OWNER, 0))
    return perms.get(_OWNER, 0) << 6 | group << 3 | perms.get(_OTHER, 0)


def translated(attributes: Attributes, users: MapId | None, groups: MapId | None) -> Attributes:
    """The attributes with other ids in their ACLs (--usermap, --groupmap)."""
    maps = {tag: map_id for tag, map_id in ((_USER, users), (_GROUP, groups)) if map_id is not None}
    return {name: _translate(value, maps) if name in ACL_NAMES else value for name, value in attributes.items()}


def _translate(value: bytes, maps: dict[int, MapId]) -> bytes:
    if (len(value) - _VERSION_SIZE) % _ENTRY.size:
        return value  # what --fake-super stored may be anything: who is to set it refuses it
    entries = []
    for tag, bits, number in _ENTRY.iter_unpack(value[_VERSION_SIZE:]):
        map_id = maps.get(tag)
        entries.append((tag, number if map_id is None else map_id(number), bits))
    entries.sort()  # which keeps the order of the tags, and puts ids in theirs
    return value[:_VERSION_SIZE] + b"".join(_ENTRY.pack(tag, bits, number) for tag, number, bits in entries)
