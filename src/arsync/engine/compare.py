"""Whether an entry needs copying, and which of its attributes differ: rsync's quick check and itemized flags."""

from __future__ import annotations

from arsync.config import CopyConfig
from arsync.events import ATIME, GROUP, OWNER, PERMS, SIZE, TIME
from arsync.fs.metadata import MODE_BITS, Preserve
from arsync.fs.protocol import StatResult

_NS = 1_000_000_000

_REGULAR, _DIRECTORY, _LINK, _KIND = 0o100000, 0o040000, 0o120000, 0o170000


def same_time(first: int, second: int, window: int) -> bool:
    """Whether two times, in nanoseconds, are the same to rsync: their seconds, give or take ``window`` of them; to the
    nanosecond where that is negative (--modify-window)."""
    if window < 0:
        return first == second
    return first // _NS == second // _NS or abs(first // _NS - second // _NS) <= window


def is_newer(dst: StatResult, src: StatResult, window: int) -> bool:
    """Whether -u leaves ``dst`` alone: it is newer than ``src``, or with a window not old enough, as rsync has it."""
    if window < 0:
        return dst.st_mtime_ns > src.st_mtime_ns
    return src.st_mtime_ns // _NS - dst.st_mtime_ns // _NS < window


def quick_check(config: CopyConfig, src: StatResult, dst: StatResult) -> bool | None:
    """True where the file counts as unchanged, False where it must be copied, None where contents decide (-c)."""
    if src.st_size != dst.st_size:
        return False
    if config.checksum:
        return None
    if config.size_only:
        return True
    return not config.ignore_times and same_time(src.st_mtime_ns, dst.st_mtime_ns, config.modify_window)


def attribute_changes(preserve: Preserve, src: StatResult, dst: StatResult) -> int:
    """The flags of those preserved attributes in which ``dst`` differs from ``src``."""
    changes = 0
    mode = preserve.source_mode(src)
    kind = mode & _KIND
    if preserve.times and not same_time(src.st_mtime_ns, dst.st_mtime_ns, preserve.window):
        changes = TIME if preserve.keeps_mtime(kind) else 0
    if preserve.perms:
        if (mode ^ dst.st_mode) & MODE_BITS and kind != _LINK:
            changes |= PERMS
    elif preserve.executability and kind == _REGULAR and bool(mode & 0o111) != bool(dst.st_mode & 0o111):
        changes |= PERMS
    if preserve.atimes and kind not in (_DIRECTORY, _LINK):
        changes |= 0 if same_time(src.st_atime_ns, dst.st_atime_ns, max(preserve.window, 0)) else ATIME
    uid, gid = preserve.owner_of(src)
    if uid not in (-1, dst.st_uid):
        changes |= OWNER
    if gid not in (-1, dst.st_gid):
        changes |= GROUP
    return changes


def regular_changes(preserve: Preserve, src: StatResult, dst: StatResult) -> int:
    """The same for a regular file, whose size counts too."""
    return attribute_changes(preserve, src, dst) | (SIZE if src.st_size != dst.st_size else 0)
