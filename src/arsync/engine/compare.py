"""Whether an entry needs copying, and which of its attributes differ: rsync's quick check and itemized flags."""

from __future__ import annotations

from arsync.config import CopyConfig
from arsync.events import GROUP, OWNER, PERMS, SIZE, TIME
from arsync.fs.metadata import MODE_BITS, Preserve
from arsync.fs.protocol import StatResult

_NS = 1_000_000_000


def same_time(first: StatResult, second: StatResult) -> bool:
    """Whether two mtimes are the same to rsync: in whole seconds (its --modify-window=0)."""
    return first.st_mtime_ns // _NS == second.st_mtime_ns // _NS


def quick_check(config: CopyConfig, src: StatResult, dst: StatResult) -> bool | None:
    """True where the file counts as unchanged, False where it must be copied, None where contents decide (-c)."""
    if src.st_size != dst.st_size:
        return False
    if config.checksum:
        return None
    if config.size_only:
        return True
    return not config.ignore_times and same_time(src, dst)


def attribute_changes(config: CopyConfig, preserve: Preserve, src: StatResult, dst: StatResult) -> int:
    """The flags of those preserved attributes in which ``dst`` differs from ``src``."""
    changes = 0
    if config.times and not same_time(src, dst):
        changes = TIME
    if preserve.perms and (src.st_mode ^ dst.st_mode) & MODE_BITS and src.st_mode & 0o170000 != 0o120000:
        changes |= PERMS
    uid, gid = preserve.owner_of(src)
    if uid not in (-1, dst.st_uid):
        changes |= OWNER
    if gid not in (-1, dst.st_gid):
        changes |= GROUP
    return changes


def regular_changes(config: CopyConfig, preserve: Preserve, src: StatResult, dst: StatResult) -> int:
    """The same for a regular file, whose size counts too."""
    return attribute_changes(config, preserve, src, dst) | (SIZE if src.st_size != dst.st_size else 0)
