"""Extended attributes and ACLs of one run's entries: which are copied, and how all metadata is set."""

from __future__ import annotations

from arsync.config import CopyConfig
from arsync.fs.metadata import AttributeSet, Change, Preserve, Problem, apply
from arsync.fs.protocol import FileOps
from arsync.fs.xattr import Attributes, Target, Wanted, read_attributes, wanted_names


def wanted_attributes(config: CopyConfig, preserve: Preserve) -> Wanted | None:
    """Which attributes are copied; None: none."""
    if not (config.acls or config.xattrs):
        return None
    if config.fake_super:
        from arsync.fs.fakesuper import wanted_stored

        return wanted_stored(acls=config.acls, xattrs=bool(config.xattrs), privileged=preserve.who.uid == 0)
    excluded = None
    if config.xattrs and config.filters:
        from arsync.engine.selection import xattrs_left_alone

        excluded = xattrs_left_alone(config)
    return wanted_names(
        acls=config.acls,
        xattrs=bool(config.xattrs),
        privileged=preserve.root,
        special=config.xattrs > 1,
        excluded=excluded,
    )


async def read_wanted(ops: FileOps, target: Target, wanted: Wanted | None, fake: bool) -> Attributes:
    """The attributes of an entry that are copied, by the names they stand for (``fake``: --fake-super)."""
    if wanted is None:
        return {}
    found = await read_attributes(ops, target, wanted)
    if not fake:
        return found
    from arsync.fs.fakesuper import meant

    return meant(found)


async def read_source(ops: FileOps, source: Target, wanted: Wanted | None, preserve: Preserve) -> Attributes:
    """The attributes that a copy of ``source`` gets."""
    found = await read_wanted(ops, source, wanted, preserve.fake)
    if preserve.users is None and preserve.groups is None:
        return found
    from arsync.fs.acl import translated

    return translated(found, preserve.users, preserve.groups)


async def set_all(
    ops: FileOps, target: Target, change: Change, attributes: AttributeSet | None, fake: bool
) -> list[Problem]:
    """Set an entry's metadata, or store it; returns the steps that failed."""
    if not fake:
        return await apply(ops, target, change, attributes)
    from arsync.fs.fakesuper import set_stored, stored

    if attributes is not None:
        attributes = AttributeSet(stored(attributes.new), stored(attributes.old))
    return await apply(ops, target, change, attributes, set_stored)
