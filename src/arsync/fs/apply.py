"""Owner, mode, attributes and times of an entry, set in one order.

1. owner and group: chown(2) clears set-id bits and security.capability, so everything that it clears comes later;
2. mode: after the owner, so that set-id bits never stand with a wrong owner;
3. ACLs and extended attributes: chmod(2) rewrites the ACL's mask, so the exact ACL comes after it;
4. times last: each step above may change them. A directory's times come after its children's.

fchown, fchmod and utimensat have no io_uring opcode: they are made together in one ``ops.call``.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable

from arsync.fs.metadata import AttributeSet, Change
from arsync.fs.protocol import FileOps
from arsync.fs.xattr import ACL_NAMES, CAPABILITY, Attributes, Target, write_attributes

#: A step that failed: what it was, and why.
Problem = tuple[str, OSError]

#: How owner, mode and times are set: :func:`set_basic`, or another way with the same meaning.
Setter = Callable[[Target, Change], list[Problem]]


def set_basic(target: Target, change: Change) -> list[Problem]:
    """Set owner, then mode, then times; returns the steps that failed, which do not keep the others from being made."""
    uid, gid, mode, mtime_ns, atime_ns = change[:5]
    problems: list[Problem] = []
    if uid != -1 or gid != -1:
        try:
            os.chown(target, uid, gid)
        except OSError as error:
            problems.append(("set owner of", error))
            if mode != -1:
                mode = _mode_of_others(mode)
    if mode != -1:
        try:
            os.chmod(target, mode)
        except OSError as error:
            problems.append(("set permissions of", error))
    if mtime_ns is not None or atime_ns is not None:
        try:
            if mtime_ns is None:
                mtime_ns = os.stat(target).st_mtime_ns  # there is no way to leave just one as it is
            os.utime(target, ns=(time.time_ns() if atime_ns is None else atime_ns, mtime_ns))
        except OSError as error:
            problems.append(("set times of", error))
    return problems


def _mode_of_others(mode: int) -> int:
    """What is left of a mode where owner or group are not those it was meant for: it never runs as somebody that the
    source did not run as, and nobody but the owner may do what not everybody might.

    >>> oct(_mode_of_others(0o6750)), oct(_mode_of_others(0o755)), oct(_mode_of_others(0o604))
    ('0o700', '0o755', '0o600')
    """
    everybody = mode & mode >> 3 & 0o7
    return mode & 0o1700 | everybody << 3 | everybody


async def apply(
    ops: FileOps, target: Target, change: Change, attributes: AttributeSet | None = None, setter: Setter = set_basic
) -> list[Problem]:
    """Set metadata in the one order in which nothing undoes anything: owner, mode, ACLs and attributes, times.

    A directory's times belong after everything that is done in it.

    Args:
        ops: the operations
        target: an open descriptor, or `path_of` one that was opened with O_PATH: a symlink's own inode, or a device's
        change: what is to be set
        attributes: extended attributes and ACLs; None leaves them alone
        setter: how owner, mode and times are set; arsync's own

    Returns:
        The steps that failed, each a verb phrase ("set owner of") with its OSError. One does not keep the others from
        being made; where the owner could not be set, the mode gives nobody what it was not meant to give.

    Examples:
        >>> from arsync.fs import Change, apply_metadata, open_fileops
        >>> with open_fileops() as files, open("project/notes.txt") as file:
        ...     files.run(apply_metadata, file.fileno(), Change(mode=0o640, mtime_ns=1_700_000_000_000_000_001))
        []
        >>> os.stat("project/notes.txt").st_mtime_ns
        1700000000000000001
    """
    if attributes is None or (attributes.new == attributes.old and change[:3] == (-1, -1, -1)):
        return await ops.call(setter, target, change)
    problems = await ops.call(setter, target, change._replace(mtime_ns=None, atime_ns=None))
    old = attributes.old
    if change[:3] != (-1, -1, -1):
        # chown drops security.capability and chmod rewrites the ACL: set those again, whatever they were.
        old = {name: b"" if name in ACL_NAMES or name == CAPABILITY else value for name, value in old.items()}
    failed = await write_attributes(ops, target, attributes.new, old)
    if any(error.errno == errno.EACCES for _, error in failed):
        failed = await _write_to_readonly(ops, target, attributes.new, old, failed)
    for name, error in failed:
        what = "set ACL of" if name in ACL_NAMES else f"set attribute {os.fsdecode(name)} of"
        problems.append((what, error))
    if change[3:5] != (None, None):
        times = Change(mtime_ns=change.mtime_ns, atime_ns=change.atime_ns)
        problems += await ops.call(setter, target, times)
    return problems


async def _write_to_readonly(
    ops: FileOps, target: Target, new: Attributes, old: Attributes, failed: list[tuple[bytes, OSError]]
) -> list[tuple[bytes, OSError]]:
    """Set attributes of what its owner may not write to, as ``failed`` says: an ordinary user's own is made writable
    for the moment. Returns those that could not be set."""
    try:
        mode = stat.S_IMODE((await ops.call(os.stat, target)).st_mode)
        if mode & stat.S_IWUSR:
            return failed
        await ops.call(os.chmod, target, mode | stat.S_IWUSR)
    except OSError:
        return failed  # it is somebody else's
    try:
        return await write_attributes(ops, target, new, old)
    finally:
        await ops.call(os.chmod, target, mode)
