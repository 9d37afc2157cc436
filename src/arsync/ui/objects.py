"""The objects of --json about entries; docs/json.md says what each member means.

Every object has a ``type``. A name may be any bytes, which JSON cannot say: ``path`` is the name as text, and where
that is not exact (it is not UTF-8), ``path_base64`` has its bytes; the same for ``target`` and others.
"""

from __future__ import annotations

import base64
import errno
import os
from typing import Any

from arsync.config import CopyConfig
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
    Failure,
    Item,
    Kind,
    Status,
)
from arsync.ui.failures import failure_line
from arsync.ui.itemize import flags

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
