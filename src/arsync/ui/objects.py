"""The objects of --json, made of the engine's events; docs/json.md says what each member means.

Every object has a ``type``. A name may be any bytes, which JSON cannot say: ``path`` is the name as text, and where
that is not exact (it is not UTF-8), ``path_base64`` has its bytes; the same for ``target`` and others.
"""

from __future__ import annotations

import base64
import errno
import os
from typing import Any

from arsync.config import CopyConfig
from arsync.errors import ExitCode
from arsync.events import (
    ABSENT,
    ACL,
    ATIME,
    BACKED_UP,
    CHECKSUM,
    EXISTS,
    GROUP,
    HARDLINK,
    LOCAL,
    NEW,
    NEWER,
    OWNER,
    PERMS,
    REMOVED,
    SIZE,
    TIME,
    TIME_NOW,
    TOO_LARGE,
    TOO_SMALL,
    TRANSFER,
    XATTR,
    Doing,
    Failure,
    Item,
    Kind,
    Progress,
    Status,
    Totals,
)
from arsync.ui.estimate import Estimate
from arsync.ui.failures import MEANINGS, failure_line
from arsync.ui.itemize import flags

#: Raised where a program that reads the objects must be changed: never because something is added.
FORMAT = 1

Object = dict[str, Any]

_NS = 10**9

_CHANGES = (
    (CHECKSUM, "checksum"),
    (SIZE, "size"),
    (TIME | TIME_NOW, "mtime"),
    (ATIME, "atime"),
    (PERMS, "mode"),
    (OWNER, "owner"),
    (GROUP, "group"),
    (ACL, "acl"),
    (XATTR, "xattr"),
)

_SKIPPED = {
    TOO_LARGE: "over max-size",
    TOO_SMALL: "under min-size",
    NEWER: "newer",
    EXISTS: "exists",
    ABSENT: "not existing",
}


def name(member: str, value: bytes) -> Object:
    """A name, as one or two members.

    >>> name("path", b"a"), name("path", b"\\xff")
    ({'path': 'a'}, {'path': '\ufffd', 'path_base64': '/w=='})
    """
    try:
        return {member: value.decode()}
    except UnicodeDecodeError:
        return {
            member: value.decode("utf-8", "replace"),
            member + "_base64": base64.b64encode(value).decode(),
        }


def start(config: CopyConfig, version: str) -> Object:
    """The first object."""
    return {
        "type": "start",
        "format": FORMAT,
        "version": version,
        "pid": os.getpid(),
        "sources": [name("path", source) for source in config.sources],
        **({} if config.list_only else name("dest", config.dest)),
        "dry_run": config.dry_run,
        "list_only": config.list_only,
    }


def entry(config: CopyConfig, item: Item, reason: str | None) -> Object:
    """An entry of the source, and what was done about it."""
    made: Object = {
        "type": "file",
        **name("path", item.path),
        "kind": Kind(item.kind).name.lower(),
        "action": "list" if config.list_only else _action(item.changes),
    }
    if not config.list_only:
        made["new"] = bool(item.changes & NEW)
        made["changes"] = [word for flag, word in _CHANGES if item.changes & flag]
        made["itemized"] = flags(item.kind, item.changes).decode()
    if item.target:
        made |= name("target", item.target)
    if reason is not None:
        made["reason"] = reason
    if item.status is not None:
        made |= _status(item.status, atime=config.atimes > 0)
    return made


def _action(changes: int) -> str:
    if changes & TRANSFER:
        return "copy"
    if changes & HARDLINK:
        return "link"
    if changes & LOCAL:
        return "create" if changes & NEW else "update"
    return "attributes" if changes else "none"


def _status(status: Status, *, atime: bool) -> Object:
    """Times in two numbers: one would be more than a program whose numbers are floating can hold."""
    made: Object = {
        "size": status.size,
        "mode": status.mode & 0o7777,
        "uid": status.uid,
        "gid": status.gid,
        "mtime": status.mtime_ns // _NS,
        "mtime_nsec": status.mtime_ns % _NS,
    }
    if atime:
        made |= {"atime": status.atime_ns // _NS, "atime_nsec": status.atime_ns % _NS}
    if status.checksum.strip():
        made["checksum"] = status.checksum.decode()
    return made


def note(item: Item) -> Object:
    """What is said of an entry beside what became of it."""
    if item.changes & BACKED_UP:
        return {"type": "backup", **name("path", item.path), **name("target", item.target)}
    if item.changes & REMOVED:
        return {"type": "remove", **name("path", item.path)}
    return skipped(item.path, next(word for flag, word in _SKIPPED.items() if item.changes & flag))


def skipped(path: bytes, reason: str) -> Object:
    """An entry that was left out."""
    return {"type": "skip", **name("path", path), "reason": reason}


def failure(found: Failure) -> Object:
    """Something that failed."""
    return {
        "type": "error",
        "severity": "vanished" if found.vanished else "warning" if found.warning else "error",
        "operation": found.operation,
        **({**name("path", found.path)} if found.path else {}),
        **_errno(found.errno),
        "message": failure_line(found).decode("utf-8", "replace"),
    }


def _errno(number: int) -> Object:
    if not number:
        return {}
    return {"errno": number, "errno_name": errno.errorcode.get(number, str(number)), "reason": os.strerror(number)}


def progress(now: Progress, estimate: Estimate, *, workers: bool) -> Object:
    """How far the run is."""
    made: Object = {
        "type": "progress",
        "elapsed": round(estimate.elapsed, 3),
        "fraction": round(estimate.fraction, 4),
        "entries": min(now.passed, now.listed),
        "entries_found": now.listed,
        "all_found": now.listed_all,
        "files_copied": now.files,
        "bytes_copied": now.moved,
        "bytes_per_second": round(estimate.rate),
        "seconds_left": None if estimate.left is None else round(estimate.left),
        "deleted": now.deleted,
        "errors": now.errors,
    }
    large = max((doing for doing in now.workers if doing.size), key=lambda doing: doing.size, default=None)
    if large is not None:
        made["current"] = _current(large)
    if workers:
        made["workers"] = [
            {"entries": doing.entries, "bytes_copied": doing.moved, "entries_given": doing.given}
            | ({"current": _current(doing)} if doing.size else {})
            for doing in now.workers
        ]
    return made


def _current(doing: Doing) -> Object:
    return {**name("path", doing.path), "bytes_copied": doing.done, "size": doing.size}


def summary(config: CopyConfig, totals: Totals, code: ExitCode, elapsed: float, errors: list[Object]) -> Object:
    """The last object."""
    seconds = max(elapsed, 0.001)
    seen = sum(totals.seen)
    return {
        **ending(code),
        "dry_run": config.dry_run,
        "elapsed": round(elapsed, 6),
        "listing_seconds": round(totals.listing_ns / _NS, 6),
        "entries": _by_kind(totals.seen),
        "created": _by_kind(totals.created),
        "deleted": _by_kind(totals.deleted),
        "deletions_refused": totals.kept_back,
        "files_copied": totals.transferred_files,
        "hard_links": totals.linked,
        "bytes": {
            "total": totals.total_size,
            "copied": totals.transferred_size,
            "written": totals.written,
            "cloned": totals.cloned,
        },
        "rates": {
            "entries_per_second": round(seen / seconds, 3),
            "bytes_per_second": round(totals.transferred_size / seconds, 3),
        },
        "errors": errors,
        **_how(config, totals),
    }


def ending(code: ExitCode) -> Object:
    """What every summary has, also where the run could not begin."""
    return {"type": "summary", "format": FORMAT, "exit_code": int(code), "meaning": MEANINGS[code]}


def _by_kind(counts: list[int]) -> Object:
    return {kind.name.lower(): counts[kind] for kind in Kind}


def _how(config: CopyConfig, totals: Totals) -> Object:
    """The engine that was used, and the methods by which data was copied."""
    reports = totals.workers
    methods: dict[str, int] = {}
    for report in reports:
        for method, size in report.methods.items():
            methods[method] = methods.get(method, 0) + size
    return {
        "engine": {
            "asked": config.io_engine.value,
            "io_uring": any(report.ring == "used" for report in reports),
            "io_uring_not_used_because": sorted({report.ring for report in reports if report.ring != "used"}),
            "entries_one_by_one": sum(report.plain for report in reports),
            "entries_in_flight": sum(report.in_flight for report in reports),
            "workers": sum(report.number >= 0 for report in reports),
        },
        "methods": methods,
    }
