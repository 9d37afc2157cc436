"""What an entry's line needs beside its name and changes (%l, %M, --list-only, --progress): gathered only where the
configuration asks for it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from arsync.engine.context import Context
from arsync.engine.place import OPEN_SOURCE, kind_of
from arsync.engine.slices import SliceWork
from arsync.engine.task import Task
from arsync.engine.tree import Node
from arsync.events import TRANSFER, Item, Kind, Status
from arsync.fs.directory import DirectoryFd
from arsync.fs.metadata import Preserve
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.views import path_in

if TYPE_CHECKING:
    from arsync.fs.hashes import NewHash

#: Bytes read at once for a checksum.
_BLOCK = 1 << 20


def _plain(st: os.stat_result | StatResult, preserve: Preserve) -> tuple[Any, ...]:
    """The fields of events.Status, fit to be sent."""
    mode, size = preserve.source_mode(st), st.st_size
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        size = 0
    return (mode, size, st.st_mtime_ns, getattr(st, "st_atime_ns", 0), st.st_uid, st.st_gid, b"")


def _stat(name: bytes, dir_fd: int, follow: bool) -> os.stat_result:
    return os.stat(name, dir_fd=dir_fd, follow_symlinks=follow)


async def _look(context: Context, ops: FileOps, task: Task, index: int) -> StatResult:
    """The source entry's status, as this run sees it."""
    name = task.slice.names[index]
    st: StatResult = await ops.call(_stat, name, task.src, task.follows(index))
    if context.source_view is not None:
        st = await ops.call(context.source_view, path_in(task.src, name), st)
    return st


async def describe(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """Remember the source entry's status before it is dealt with. Raises OSError where it is gone."""
    task.statuses[index] = _plain(await _look(context, ops, task, index), context.preserve)


async def list_entry(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """All that --list-only does with an entry. Raises OSError."""
    st = await _look(context, ops, task, index)
    kind = kind_of(st)
    context.seen(kind, st.st_size)
    target = b""
    if kind is Kind.SYMLINK and context.config.links:
        target = os.readlink(task.slice.names[index], dir_fd=task.src)
    task.statuses[index] = _plain(st, context.preserve)
    task.items.append((index, int(kind), 0, target))


async def add_checksum(context: Context, ops: FileOps, task: Task, index: int) -> None:
    """Remember the checksum of a regular file that was copied, or compared by -c. Reads it once more: nothing else on
    the way of a local copy looks at its bytes."""
    config = context.config
    status = task.statuses.get(index)
    item = next((item for item in reversed(task.items) if item[0] == index), None)
    if status is None or item is None or not stat.S_ISREG(status[0]) or config.checksum_choice == "none":
        return
    if not config.checksum and not item[2] & TRANSFER:
        return
    make = _hash_of(config.checksum_choice)
    if config.dry_run and not config.checksum:
        digest = b"00" * make().digest_size  # as rsync has it: nobody knows yet
    else:
        digest = await ops.call(_checksum, make, task, index, status[1])
    task.statuses[index] = (*status[:-1], digest)


def _hash_of(choice: str) -> NewHash:
    """The hash that is asked for; where this Python has none such, md5."""
    from arsync.fs.hashes import DEFAULT, new_hash

    make = new_hash(DEFAULT if choice in ("", "auto") else choice) or new_hash("md5")
    assert make is not None
    return make


def _checksum(make: NewHash, task: Task, index: int, size: int) -> bytes:
    """The hash of the first ``size`` bytes, which are those that were copied; empty of a fifo."""
    try:
        fd = os.open(task.slice.names[index], task.source_flags(index, OPEN_SOURCE), dir_fd=task.src)
    except FileNotFoundError:  # --remove-source-files
        fd = os.open(task.dst_names[index], OPEN_SOURCE, dir_fd=task.dst)
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            return b""  # it has taken the file's place
        digest = make()
        while size and (block := os.read(fd, min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
    finally:
        os.close(fd)
    return bytes(digest.hexdigest(), "ascii")


def path_of(directory: DirectoryFd | None) -> bytes:
    """The path of a source directory as its argument began it."""
    parts = []
    while directory is not None:
        parts.append(directory.name)
        directory = directory.parent
    return b"/".join(reversed(parts))


def detailed_items(work: SliceWork, found: list[tuple[Any, ...]]) -> list[Item]:
    """A slice's items, with all that is known of them."""
    prefix, names, origin = work.node.path, work.names, path_of(work.source)
    return [
        Item(
            prefix + names[index],
            kind,
            changes,
            target,
            Status(*rest[0]) if rest and rest[0] else None,
            origin,
            work.ordinal + index,
        )
        for index, kind, changes, target, *rest in found
    ]


def directory_item(node: Node, path: bytes, changes: int, ordinal: int, preserve: Preserve) -> Item:
    """A directory's item, with all that is known of it."""
    source = node.sources[0] if node.sources else None
    held = source if path == b"." or source is None else source.parent
    status = Status(*_plain(node.st, preserve)) if node.st is not None else None
    return Item(path, Kind.DIRECTORY, changes, b"", status, path_of(held), ordinal)
