"""The file that a copy writes to: how it is opened, and how it comes to its final name."""

from __future__ import annotations

import os
import stat

from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.fs.copy import WriteError
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.temporary import give_name, name_temporarily, open_temporary, open_unnamed

#: Opening a file to overwrite it: a symlink swapped in is refused, a fifo or device swapped in does not block.
_OPEN_EXISTING = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class DestinationChangedError(Exception):
    """Something else stands at the destination than what was looked at, or made, there."""


class Output:
    """The file being written: its descriptor, and how it comes to its final name."""

    __slots__ = ("fd", "mode", "temporary")

    def __init__(self, fd: int, mode: int, temporary: bytes | None) -> None:
        self.fd = fd
        self.mode = mode  # what it was created with; -1: it is the destination itself (--inplace)
        self.temporary = temporary  # None: it has no name (O_TMPFILE), or it has its final one


async def open_output(
    context: Context, ops: FileOps, task: Task, index: int, st: StatResult, existing: StatResult | None
) -> Output:
    """Open what the copy of a file whose status is ``st`` is written to; what it is made with lets nobody in who may
    not see the copy. Raises DestinationChangedError where ``existing`` was to be overwritten and is not there."""
    name, place = task.dst_names[index], task.place
    if context.config.inplace and existing is not None:
        place.device = existing.st_dev
        return Output(await _open_existing(ops, task.dst, name, existing), -1, None)
    final = context.preserve.mode_of(st, existing, context.default_perms)
    mode = place.creation_mode(*context.preserve.owner_of(st), final) if place.known else 0o600
    if context.attributes_wanted is not None:
        mode &= 0o600  # an ACL may be stricter than the mode
    fd = await open_unnamed(ops, task.dst, mode) if existing is None and place.unnamed else -1
    temporary = None
    if fd < 0:
        place.unnamed = place.unnamed and existing is not None
        fd, temporary = await open_temporary(ops, task.dst, name, mode)
    output = Output(fd, mode, temporary)
    if not place.known:
        try:
            await place.learn(ops, task.dst, fd, mode)
        except OSError:
            await close_output(ops, task, output)
            raise
    return output


async def _open_existing(ops: FileOps, dir_fd: int, name: bytes, existing: StatResult) -> int:
    """Open the regular file ``existing`` to overwrite it, and nothing else: what was compared is what is written to.

    A name that was given to another file since (a source's, for one) raises DestinationChangedError.
    """
    fd = await ops.openat(dir_fd, name, _OPEN_EXISTING)
    try:
        now = await ops.fstat(fd)
        if not stat.S_ISREG(now.st_mode) or (now.st_dev, now.st_ino) != (existing.st_dev, existing.st_ino):
            raise DestinationChangedError
        # A ring would answer EAGAIN where it would have to wait.
        await ops.call(os.set_blocking, fd, True)
    except BaseException:
        await ops.close(fd)
        raise
    return fd


async def put_in_place(ops: FileOps, task: Task, name: bytes, output: Output) -> None:
    """Give the complete file its name."""
    if output.mode == -1:
        return
    if output.temporary is None:
        try:
            await give_name(ops, output.fd, task.dst, name)
        except FileExistsError:
            # Something took the name since it was looked at: it is replaced, as a rename would.
            output.temporary = await name_temporarily(ops, output.fd, task.dst, name)
        else:
            output.temporary = name  # until it is closed
    # Network file systems report a failed write at the close: it must not stand under the name then.
    fd, output.fd = output.fd, -1
    try:
        await ops.close(fd)
    except OSError as error:
        raise WriteError(error.errno, error.strerror) from error
    if output.temporary != name:
        await ops.renameat(task.dst, output.temporary, task.dst, name)
    output.temporary = None


async def close_output(ops: FileOps, task: Task, output: Output) -> None:
    """Close the file; one that did not come to its name is removed."""
    try:
        if output.fd != -1:
            await ops.close(output.fd)
    finally:
        if output.temporary is not None:
            await ops.unlinkat(task.dst, output.temporary)
