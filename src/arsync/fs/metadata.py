"""Owner, mode, attributes and times of an entry, set in one order.

1. owner and group: chown(2) clears set-id bits and security.capability, so everything that it clears comes later;
2. mode: after the owner, so that set-id bits never stand with a wrong owner;
3. ACLs and extended attributes: chmod(2) rewrites the ACL's mask, so the exact ACL comes after it;
4. times last: each step above may change them. A directory's times come after its children's.

fchown, fchmod and utimensat have no io_uring opcode: they are made together in one ``ops.call``.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import ACL_NAMES, CAPABILITY, Attributes, Target, write_attributes

#: A step that failed: what it was, and why.
Problem = tuple[str, OSError]

#: The permission and special bits of a mode.
MODE_BITS = 0o7777


class Identity(NamedTuple):
    """Who is copying: decides which owners can be set and how new modes are made."""

    uid: int
    gid: int
    groups: frozenset[int]
    umask: int

    @classmethod
    def current(cls) -> Identity:
        umask = os.umask(0o077)
        os.umask(umask)
        return cls(os.geteuid(), os.getegid(), frozenset({os.getegid(), *os.getgroups()}), umask)


class Preserve(NamedTuple):
    """Which metadata a copy carries over, and whose rights it has."""

    who: Identity
    perms: bool
    times: bool
    owner: bool
    group: bool

    def owner_of(self, st: StatResult) -> tuple[int, int]:
        """The uid and gid that a copy of ``st`` gets; -1 leaves what it has. Only root gives files away, and an
        ordinary user sets a group only where a member; rsync skips the rest silently, and so do we."""
        root = self.who.uid == 0
        uid = st.st_uid if self.owner and root else -1
        gid = st.st_gid if self.group and (root or st.st_gid in self.who.groups) else -1
        return uid, gid

    def mode_of(self, st: StatResult, existing: StatResult | None, default_perms: int) -> int:
        """The mode bits that a copy of ``st`` gets: the source's with -p; else what stands there; else the
        source's permissions as far as ``default_perms`` (the umask's complement) allows."""
        if self.perms:
            return st.st_mode & MODE_BITS
        if existing is not None:
            return existing.st_mode & MODE_BITS
        return st.st_mode & default_perms


class Change(NamedTuple):
    """What is to be set on one entry; -1, None and 0 leave things as they are."""

    uid: int = -1
    gid: int = -1
    mode: int = -1
    mtime_ns: int | None = None


def set_basic(target: Target, change: Change) -> list[Problem]:
    """Set owner, then mode, then times; returns the steps that failed, which do not keep the others from being made."""
    uid, gid, mode, mtime_ns = change
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
    if mtime_ns is not None:
        try:
            os.utime(target, ns=(time.time_ns(), mtime_ns))
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


def difference(preserve: Preserve, src: StatResult, mode: int, existing: StatResult) -> Change:
    """What must change for ``existing`` to carry the owner and the ``mode`` of ``src``; times are the caller's."""
    uid, gid = preserve.owner_of(src)
    if uid == existing.st_uid:
        uid = -1
    if gid == existing.st_gid:
        gid = -1
    if mode == existing.st_mode & MODE_BITS and not (mode & 0o7000 and (uid != -1 or gid != -1)):
        # Unchanged, and no special bit that the chown before it would clear.
        mode = -1
    return Change(uid, gid, mode)


class AttributeSet(NamedTuple):
    """The attributes that a copy must end up with, and those it has."""

    new: Attributes
    old: Attributes

    @property
    def acl_differs(self) -> bool:
        return any(self.new.get(name) != self.old.get(name) for name in ACL_NAMES)

    @property
    def xattr_differs(self) -> bool:
        return {k: v for k, v in self.new.items() if k not in ACL_NAMES} != {
            k: v for k, v in self.old.items() if k not in ACL_NAMES
        }


async def apply(ops: FileOps, target: Target, change: Change, attributes: AttributeSet | None = None) -> list[Problem]:
    """Set everything on one entry, in this module's order; returns the steps that failed."""
    if attributes is None or (attributes.new == attributes.old and change[:3] == (-1, -1, -1)):
        return await ops.call(set_basic, target, change)
    problems = await ops.call(set_basic, target, change._replace(mtime_ns=None))
    old = attributes.old
    if change[:3] != (-1, -1, -1):
        # chown drops security.capability and chmod rewrites the ACL: set those again, whatever they were.
        old = {name: b"" if name in ACL_NAMES or name == CAPABILITY else value for name, value in old.items()}
    for name, error in await write_attributes(ops, target, attributes.new, old):
        what = "set ACL of" if name in ACL_NAMES else f"set attribute {os.fsdecode(name)} of"
        problems.append((what, error))
    if change.mtime_ns is not None:
        problems += await ops.call(set_basic, target, Change(mtime_ns=change.mtime_ns))
    return problems
