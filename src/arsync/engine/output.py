"""The file that a copy writes to: how it is opened, and how it comes to its final name."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from arsync.engine.task import Task
from arsync.fs.blocks import WriteError
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.temporary import give_name, name_temporarily, open_temporary, open_unnamed

if TYPE_CHECKING:
    from arsync.engine.context import Context

#: Opening a file to overwrite it: a symlink swapped in is refused, a fifo or device swapped in does not block.
_OPEN_EXISTING = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
#: The same where it is read back.
_OPEN_VERIFIED = _OPEN_EXISTING & ~os.O_WRONLY | os.O_RDWR


class DestinationChangedError(Exception):
    """Something else stands at the destination than what was looked at, or made, there."""


class UntrustedError(Exception):
    """A staging directory is no place for files: others could change them, or they would take the place of others."""


class Output:
    """The file being written: its descriptor, and how it comes to its final name."""

    __slots__ = ("device", "directory", "fd", "mode", "spoiled", "start", "temporary")

    def __init__(self, fd: int, mode: int, temporary: bytes | None, directory: int, device: bool = False) -> None:
        self.fd = fd
        self.device = device  # it is no file but a device, whose size is what it is (--write-devices)
        self.mode = mode  # what it was created with; -1: it is the destination itself (--inplace)
        self.temporary = temporary  # None: it has no name (O_TMPFILE), or it has its final one
        self.directory = directory  # the descriptor of the directory that the temporary name is in
        self.spoiled = False  # it is known not to hold what was read (--verify)
        self.start = 0  # what it holds up to here is right already (--append)

    async def close(self, ops: FileOps) -> None:
        """Close the file; one that did not come to its name is removed."""
        try:
            if self.fd != -1:
                await ops.close(self.fd)
        finally:
            if self.temporary is not None:
                await ops.unlinkat(self.directory, self.temporary)


async def open_output(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    st: StatResult,
    existing: StatResult | None,
    like: StatResult | None,
) -> Output:
    """Open what the copy of a file whose status is ``st`` is written to; what it is made with lets nobody in who may
    not see the copy. ``like``: whose mode it gets without -p.
    Raises DestinationChangedError where ``existing`` was to be overwritten and is not there."""
    name, place = task.dst_names[index], task.place
    if context.config.inplace and existing is not None:
        place.device = existing.st_dev
        devices, flags = context.config.write_devices, _OPEN_VERIFIED if context.config.verify else _OPEN_EXISTING
        fd, device = await _open_existing(ops, task.dst, name, existing, devices, flags)
        return Output(fd, -1, None, task.dst, device)
    final = context.preserve.mode_of(st, like, task.place.perms)
    mode = place.creation_mode(*context.preserve.owner_of(st), final) if place.known else 0o600
    if context.makes_private:
        mode &= 0o600  # an ACL may be stricter than the mode
    directory = task.dst if context.held.temp == -1 else context.held.temp
    unnamed = existing is None and place.unnamed and directory == task.dst
    fd = await open_unnamed(ops, directory, mode) if unnamed else -1
    temporary = None
    if fd < 0:
        place.unnamed = place.unnamed and existing is not None
        fd, temporary = await open_temporary(ops, directory, name, mode)
    output = Output(fd, mode, temporary, directory)
    if not place.known:
        try:
            await place.learn(ops, task.dst, fd, mode)
        except OSError:
            await output.close(ops)
            raise
    return output


async def _open_existing(
    ops: FileOps, dir_fd: int, name: bytes, existing: StatResult, devices: bool, flags: int
) -> tuple[int, bool]:
    """Open the regular file ``existing`` to overwrite it, and nothing else: what was compared is what is written to.
    With ``devices`` it may be one. Returns the descriptor, and whether it is a device's.

    A name that was given to another file since (a source's, for one) raises DestinationChangedError.
    """
    fd = await ops.openat(dir_fd, name, flags)
    try:
        now = await ops.fstat(fd)
        device = devices and (stat.S_ISBLK(now.st_mode) or stat.S_ISCHR(now.st_mode))
        if not (stat.S_ISREG(now.st_mode) or device) or (now.st_dev, now.st_ino) != (existing.st_dev, existing.st_ino):
            raise DestinationChangedError
        # A ring would answer EAGAIN where it would have to wait.
        await ops.call(os.set_blocking, fd, True)
    except BaseException:
        await ops.close(fd)
        raise
    return fd, device


async def put_in_place(ops: FileOps, directory: int, name: bytes, output: Output) -> None:
    """Give the complete file its name in the directory whose descriptor is ``directory``."""
    if output.mode == -1:
        return
    if output.temporary is None:
        try:
            await give_name(ops, output.fd, directory, name)
        except FileExistsError:
            # Something took the name since it was looked at: it is replaced, as a rename would.
            output.temporary = await name_temporarily(ops, output.fd, directory, name)
        else:
            output.temporary = name  # until it is closed
        output.directory = directory
    # Network file systems report a failed write at the close: it must not stand under the name then.
    fd, output.fd = output.fd, -1
    try:
        await ops.close(fd)
    except OSError as error:
        raise WriteError(error.errno, error.strerror) from error
    if (output.directory, output.temporary) != (directory, name):
        await ops.renameat(output.directory, output.temporary, directory, name)
    output.temporary = None


async def put_link(ops: FileOps, fd: int, dir_fd: int, name: bytes, *, replace: bool) -> None:
    """Make ``name`` a link to the open (or held) file; what stands there is replaced by a rename."""
    if not replace:
        try:
            await give_name(ops, fd, dir_fd, name)
            return
        except FileExistsError:
            pass  # something took the name since it was looked at: it is replaced, as a rename would
    temporary = await name_temporarily(ops, fd, dir_fd, name)
    try:
        await ops.renameat(dir_fd, temporary, dir_fd, name)
    finally:
        # It is still there where the rename failed, or had nothing to do: both are names of the same file, if another
        # run has made the same link meanwhile.
        with suppress(FileNotFoundError):
            await ops.unlinkat(dir_fd, temporary)
