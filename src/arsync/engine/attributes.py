"""Extended attributes and ACLs of one run's entries: which are copied, and how all metadata is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.fs.apply import Problem, apply
from arsync.fs.metadata import AttributeSet, Change, Preserve
from arsync.fs.protocol import FileOps
from arsync.fs.xattr import ACL_NAMES, Attributes, Target, Wanted, read_attributes, wanted_names

#: The filter rules about extended attributes that hold in one directory, of the sender and of the receiver. In a worker
#: the configuration's filters are those that hold where merge files say nothing else.
AttributeRules = tuple[tuple[bytes, ...], tuple[bytes, ...]]


class Copied(NamedTuple):
    """Which attributes are read of a source, and which of what stands at the destination: what the receiver's rules
    exclude is left alone there; what only the sender's exclude is taken away."""

    source: Wanted
    dest: Wanted


def copied_attributes(config: CopyConfig, preserve: Preserve, rules: AttributeRules | None = None) -> Copied | None:
    """Which attributes are copied in a directory; None: none. ``rules``: those of the directory, where they are not
    the same as in all others."""
    if not (config.acls or config.xattrs):
        return None
    if config.fake_super:
        from arsync.fs.fakesuper import wanted_stored

        stored = wanted_stored(acls=config.acls, xattrs=bool(config.xattrs), privileged=preserve.who.uid == 0)
        return Copied(stored, stored)

    def wanted(excluded: Callable[[bytes], bool] | None) -> Wanted:
        return wanted_names(
            acls=config.acls,
            xattrs=bool(config.xattrs),
            privileged=preserve.root,
            special=config.xattrs > 1,
            excluded=excluded,
        )

    if not config.xattrs or not (rules or config.filters):
        every = wanted(None)
        return Copied(every, every)
    from arsync.filters.place import left_alone

    if rules is None:
        sides = [tuple(text for side, text in config.filters if side == name) for name in ("sender", "receiver")]
        rules = (sides[0], sides[1])
    return Copied(wanted(left_alone(rules)), wanted(left_alone(rules[1:])))


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


def acl_and_xattr(attributes: AttributeSet, acl_flag: int, xattr_flag: int) -> int:
    """The itemized flags of attributes that differ."""
    if attributes.new == attributes.old:
        return 0
    names = {n for n in attributes.new.keys() | attributes.old.keys() if attributes.new.get(n) != attributes.old.get(n)}
    return (acl_flag if names & ACL_NAMES else 0) | (xattr_flag if names - ACL_NAMES else 0)
