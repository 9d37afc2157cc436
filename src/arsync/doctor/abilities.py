"""What a file system can, found by trying it in a directory that can be written to."""

from __future__ import annotations

import errno
import os
import stat
import struct
from functools import partial
from typing import Any

from arsync.doctor.findings import Finding, attempt, reason
from arsync.doctor.scratch import named_file, open_unnamed, scratch_directory, scratch_file
from arsync.fs import syscalls
from arsync.fs.xattr import ACL_ACCESS

#: acl(5) as an attribute: version 2, then owner, user, owning group, mask and others, each tag, permissions, id.
_NOBODY = 0xFFFFFFFF
_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((0x01, 6, _NOBODY), (0x02, 4, 1), (0x04, 4, _NOBODY), (0x10, 6, _NOBODY), (0x20, 0, _NOBODY))
)

#: The size of the file in which a hole is looked for.
_HOLE = 1 << 20

#: What the C library says of file systems that it does not know: no kernel has such a limit.
_LINKS_UNKNOWN = 127

#: Steps in which file systems keep times, in nanoseconds: all of them, NTFS, UDF, exFAT, ext3, FAT.
_STEPS = (1, 100, 1_000, 10_000_000, 1_000_000_000, 2_000_000_000)
_ODD_TIME = 1_600_000_001_123_456_789

#: Seconds beyond which a limit of times means nothing (some 35,000 years).
_FAR = 1 << 40
_KNOWN_GOOD = 1_600_000_000

#: What each finding is about, for people.
NAMES = {
    "unnamed_files": "files without a name (O_TMPFILE)",
    "rename_exchange": "exchanging two names (RENAME_EXCHANGE)",
    "hard_links": "hard links",
    "xattrs_user": "attributes user.*",
    "xattrs_trusted": "attributes trusted.*",
    "xattrs_security": "attributes security.*",
    "acls": "ACLs",
    "holes": "holes (-S)",
    "punch_holes": "making holes in files",
    "preallocate": "allocating ahead (--preallocate)",
    "direct_io": "reading past the cache (O_DIRECT, for --verify)",
    "case_sensitive": "names that differ in case",
}


def examine_abilities(dir_fd: int) -> dict[str, Any]:
    """Findings by the keys of :data:`NAMES`, what is known of links and times. Leaves nothing behind."""
    findings: dict[str, Finding] = {"unnamed_files": attempt(lambda: os.close(open_unnamed(dir_fd)))}
    times: dict[str, Any] = {"step_ns": None, "earliest": None, "latest": None}
    try:
        with scratch_file(dir_fd) as fd:
            findings |= _of_file(fd)
            times = _times(fd)
        with scratch_directory(dir_fd) as (name, inner):
            findings |= _of_names(dir_fd, name, inner)
    except OSError as error:
        findings = dict.fromkeys(NAMES, Finding(None, reason(error))) | findings
    ordered = {key: findings[key]._asdict() for key in NAMES}
    return {"abilities": ordered, "link_limit": _link_limit(dir_fd), "times": times}


def untried(why: str) -> dict[str, Any]:
    """The same where nothing may be tried."""
    return {
        "abilities": {key: Finding(None, why)._asdict() for key in NAMES},
        "link_limit": None,
        "times": {"step_ns": None, "earliest": None, "latest": None},
    }


def _link_limit(dir_fd: int) -> int | None:
    """The most names that a file may have, where that is known."""
    try:
        limit = os.fpathconf(dir_fd, "PC_LINK_MAX")
    except OSError:
        return None
    return None if limit == _LINKS_UNKNOWN else limit


def _of_file(fd: int) -> dict[str, Finding]:
    """What can be tried on one file."""
    return {
        **{
            f"xattrs_{space}": attempt(partial(os.setxattr, fd, f"{space}.arsync-doctor", b"x"))
            for space in ("user", "trusted", "security")
        },
        "acls": attempt(lambda: os.setxattr(fd, ACL_ACCESS, _ACL)),
        "preallocate": attempt(lambda: syscalls.fallocate(fd, 0, 0, 1 << 16)),
        "holes": attempt(lambda: _has_hole(fd)),
        "punch_holes": attempt(
            lambda: syscalls.fallocate(fd, syscalls.FALLOC_FL_PUNCH_HOLE | syscalls.FALLOC_FL_KEEP_SIZE, _HOLE, 1 << 12)
        ),
        "direct_io": attempt(lambda: os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT))),
    }


def _has_hole(fd: int) -> bool:
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"x" * (1 << 13), _HOLE)
    return os.fstat(fd).st_blocks * 512 < _HOLE


def _of_names(dir_fd: int, name: str, inner: int) -> dict[str, Finding]:
    """What needs names: in the scratch directory ``inner``, which is called ``name`` in ``dir_fd``."""
    with named_file(inner, "a"), named_file(inner, "b"):
        return {
            "rename_exchange": attempt(lambda: syscalls.exchange(inner, b"a", b"b")),
            "hard_links": attempt(lambda: os.link("a", "c", src_dir_fd=inner, dst_dir_fd=inner)),
            "case_sensitive": _case_sensitive(dir_fd, name),
        }


def _case_sensitive(dir_fd: int, name: str) -> Finding:
    try:
        st = os.stat(name.upper(), dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return Finding(True)
    return Finding(not stat.S_ISDIR(st.st_mode), "A and a are the same name: of two such files one is lost")


def _times(fd: int) -> dict[str, Any]:
    """In which steps times are kept (ns), and from when to when (seconds since 1970; None: no limit that matters)."""
    os.utime(fd, ns=(_ODD_TIME, _ODD_TIME))
    got = os.fstat(fd).st_mtime_ns
    step = next((step for step in _STEPS if got == _ODD_TIME // step * step), None)
    return {"step_ns": step, "earliest": _last_kept(fd, -_FAR), "latest": _last_kept(fd, _FAR)}


def _last_kept(fd: int, far: int) -> int | None:
    """The time nearest to ``far`` that is kept, by halving, in FAT's steps of two seconds; then by a single one."""
    if _keeps(fd, far):
        return None
    good, bad = _KNOWN_GOOD // 2, far // 2
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _keeps(fd, 2 * middle) else (good, middle)
    edge = 2 * good + (1 if far > 0 else -1)
    return edge if _keeps(fd, edge) else 2 * good


def _keeps(fd: int, seconds: int) -> bool:
    try:
        os.utime(fd, (seconds, seconds))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOVERFLOW, errno.ERANGE):
            return False
        raise
    return os.fstat(fd).st_mtime_ns // 10**9 == seconds
