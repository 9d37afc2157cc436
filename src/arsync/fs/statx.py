"""The status of a file as statx(2) gives it: exact times, and areas of memory for the kernel to fill."""

from __future__ import annotations

import os
import struct
from typing import Any, NamedTuple

from arsync.fs.protocol import StatResult

SIZEOF_STATX = 256

AT_NO_AUTOMOUNT = 0x800

#: STATX_BASIC_STATS without STATX_ATIME: only -U needs the access time, and since every read changes it, network
#: and FUSE file systems would have to ask their server for it each time.
STATX_WANTED = 0x7FF & ~0x20
STATX_WITH_ATIME = 0x7FF

#: struct statx: nlink, uid, gid, mode; ino, size, blocks; ctime, mtime; major and minor of rdev and dev.
_FIELDS = struct.Struct("<16xIIIH2xQQQ8x16x16xqI4xqI4xIIII")
_ATIME = struct.Struct("<64xqI")

_new = tuple.__new__
_makedev = os.makedev


class Stat(NamedTuple):
    """What statx(2) said, with the names of ``os.stat_result``; times in integer nanoseconds."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_blocks: int
    st_rdev: int
    st_atime_ns: int  # 0 where it was not asked for


def unpack(area: Any) -> Stat:
    """The status in a filled struct statx."""
    nlink, uid, gid, mode, ino, size, blocks, c, c_ns, m, m_ns, rmajor, rminor, major, minor = _FIELDS.unpack_from(area)
    # tuple.__new__: a third of the cost of the named tuple's own constructor, once per entry of a tree.
    return _new(
        Stat,
        (
            mode,
            ino,
            _makedev(major, minor),
            nlink,
            uid,
            gid,
            size,
            m * 1000000000 + m_ns,
            c * 1000000000 + c_ns,
            blocks,
            _makedev(rmajor, rminor),
            0,
        ),
    )


def unpack_with_atime(area: Any) -> Stat:
    """The same where the access time was asked for."""
    a, a_ns = _ATIME.unpack_from(area)
    return unpack(area)._replace(st_atime_ns=a * 1000000000 + a_ns)


def changed(st: StatResult, **fields: int) -> Stat:
    """The same status with some fields changed."""
    return Stat(*(fields.get(name, getattr(st, name)) for name in Stat._fields))
