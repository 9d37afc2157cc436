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
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import ACL_NAMES, CAPABILITY, Attributes, Target, write_attributes

#: A step that failed: what it was, and why.
Problem = tuple[str, OSError]

#: An mtime and an atime in nanoseconds; None leaves it as it is.
Times = tuple[int | None, int | None]

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
    """Which metadata a copy carries over, and whose rights it has. Made by :func:`preserve`."""

    who: Identity
    perms: bool = False
    times: bool = False
    owner: bool = False
    group: bool = False
    root: bool = False  # what only root can do is tried (--super) or stored (--fake-super)
    fake: bool = False  # --fake-super
    atimes: bool = False
    dir_times: bool = False
    link_times: bool = False
    executability: bool = False
    #: seconds by which times that count as equal may differ; -1: nanoseconds count
    window: int = 0
    #: what --chmod, --usermap and --groupmap make of a source's mode, uid and gid; None where they were not given
    chmod: Callable[[int], int] | None = None
    users: Callable[[int], int] | None = None
    groups: Callable[[int], int] | None = None

    @property
    def translates(self) -> bool:
        """Whether a copy's owner or mode is another than its source's."""
        return self.chmod is not None or self.users is not None or self.groups is not None

    def owner_of(self, st: StatResult) -> tuple[int, int]:
        """The uid and gid that a copy of ``st`` gets; -1 leaves what it has. Only root gives files away, and an
        ordinary user sets a group only where a member; rsync skips the rest silently, and so do we."""
        uid = gid = -1
        if self.owner and self.root:
            uid = st.st_uid if self.users is None else self.users(st.st_uid)
        if self.group:
            gid = st.st_gid if self.groups is None else self.groups(st.st_gid)
            if not self.root and gid not in self.who.groups:
                gid = -1
        return uid, gid

    def source_mode(self, st: StatResult) -> int:
        """The mode that a source counts as having."""
        return st.st_mode if self.chmod is None else self.chmod(st.st_mode)

    def mode_of(self, st: StatResult, existing: StatResult | None, default_perms: int) -> int:
        """The mode bits that a copy of ``st`` gets: the source's with -p; else what stands there; else the
        source's permissions as far as ``default_perms`` (the umask's complement) allows."""
        mode = st.st_mode if self.chmod is None else self.chmod(st.st_mode)
        if self.perms:
            return mode & MODE_BITS
        if existing is None:
            return mode & default_perms
        if self.executability and stat.S_ISREG(mode):
            return _as_executable(existing.st_mode & MODE_BITS, mode)
        return existing.st_mode & MODE_BITS

    def keeps_mtime(self, kind: int) -> bool:
        """Whether entries of this kind (``S_IFMT`` of the mode) get the source's mtime."""
        if kind == stat.S_IFLNK:
            return self.times and self.link_times
        return self.dir_times if kind == stat.S_IFDIR else self.times

    def times_of(self, st: StatResult) -> Times:
        """The mtime and atime that a copy of ``st`` gets, in nanoseconds; None leaves what it has. Directories are
        the business of who sets them at the end."""
        if not self.link_times and stat.S_ISLNK(st.st_mode):
            return None, None
        return st.st_mtime_ns if self.times else None, st.st_atime_ns if self.atimes else None


def _as_executable(mode: int, like: int) -> int:
    """``mode`` with as much execute permission as -E gives it: for all who may read, or for nobody."""
    if not like & 0o111:
        return mode & ~0o111
    return mode if mode & 0o111 else mode | (mode & 0o444) >> 2


def preserve(config: CopyConfig, who: Identity) -> Preserve:
    """What one run carries over."""
    chmod = users = groups = None
    if config.chmod:
        from arsync.chmod import compile_changes

        chmod = compile_changes(config.chmod, who.umask)
    if config.usermap or config.groupmap:
        from arsync.idmap import translate_groups, translate_users

        users = translate_users(config.usermap, config.numeric_ids)
        groups = translate_groups(config.groupmap, config.numeric_ids)
    return Preserve(
        who,
        perms=config.perms,
        times=config.times,
        owner=config.owner,
        group=config.group,
        root=who.uid == 0 or config.fake_super if config.super_user is None else config.super_user,
        fake=config.fake_super,
        atimes=config.atimes > 0,
        dir_times=config.times and not config.omit_dir_times,
        link_times=not config.omit_link_times,
        executability=config.executability,
        window=config.modify_window,
        chmod=chmod,
        users=users,
        groups=groups,
    )


class Change(NamedTuple):
    """What is to be set on one entry, by ``apply_metadata``. The defaults leave things as they are.

    Examples:
        >>> from arsync.fs import Change
        >>> Change(mode=0o640, mtime_ns=1_600_000_000_123_456_789).uid
        -1
    """

    uid: int = -1
    """Id of the owner."""
    gid: int = -1
    """Id of the group."""
    mode: int = -1
    """Permissions and special bits, without the kind."""
    mtime_ns: int | None = None
    """When the data was last changed, in nanoseconds since 1970."""
    atime_ns: int | None = None
    """When the data was last read, in nanoseconds since 1970; None is now where ``mtime_ns`` is set."""
    kind: int = 0
    """Of arsync's own: what an entry stands for under --fake-super."""
    device: int = 0
    """The same of a device's number."""


NOTHING = Change()


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


def without_set_id(mode: int, existing: StatResult, uid: int, gid: int) -> int:
    """The mode that an existing file hands on without -p to what will be ``uid``'s and ``gid``'s (-1: as it is). Its
    set-id bits were given to what its owner had there: where that is another, they are not."""
    if uid not in (-1, existing.st_uid):
        mode &= ~stat.S_ISUID
    if gid not in (-1, existing.st_gid):
        mode &= ~stat.S_ISGID
    return mode


def before_overwriting(preserve: Preserve, src: StatResult, mode: int, now: StatResult) -> Change:
    """What is set on an existing file before ``src``'s data is written over it, which will have ``mode`` then: it
    belongs to whom the copy will belong to, nobody may do with it what nobody may do with the copy, and it has no
    set-id bits, which a run that is killed would leave with half of the data."""
    if preserve.fake:  # what stands for the entry stays usable, and whose it is
        return Change(mode=now.st_mode & 0o1777) if now.st_mode & 0o6000 else NOTHING
    return difference(preserve, src, now.st_mode & mode & 0o1777, now)


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
    """The attributes that an entry must end up with, and those it has, for ``apply_metadata``.

    Examples:
        >>> from arsync.fs import AttributeSet
        >>> AttributeSet(new={b"user.note": b"b"}, old={b"user.note": b"a"}).xattr_differs
        True
    """

    new: Attributes
    """Values by name; both are bytes."""
    old: Attributes
    """The same, as ``read_attributes`` returns it."""

    @property
    def acl_differs(self) -> bool:
        """Whether an ACL has to be set or removed."""
        return any(self.new.get(name) != self.old.get(name) for name in ACL_NAMES)

    @property
    def xattr_differs(self) -> bool:
        """Whether another attribute has to be."""
        return {k: v for k, v in self.new.items() if k not in ACL_NAMES} != {
            k: v for k, v in self.old.items() if k not in ACL_NAMES
        }


#: How owner, mode and times are set: :func:`set_basic`, or another way with the same meaning.
Setter = Callable[[Target, Change], list[Problem]]


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
