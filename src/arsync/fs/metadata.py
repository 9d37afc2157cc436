"""What of a source's metadata a copy carries over, and what must change for it; fs/apply.py sets it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.fs.protocol import StatResult
from arsync.fs.xattr import Attributes

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
        >>> AttributeSet(new={b"user.note": b"any bytes"}, old={}).new
        {b'user.note': b'any bytes'}
    """

    new: Attributes
    """Values by name; both are bytes."""
    old: Attributes
    """The same, as ``read_attributes`` returns it."""
