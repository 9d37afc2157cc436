"""A regular file's new contents: written beside the old file, with all metadata, and put in its place."""

from __future__ import annotations

import os
from typing import NamedTuple

from arsync.engine.context import NO_DESCRIPTORS, Context
from arsync.engine.dress import finish_metadata, restrict
from arsync.engine.output import DestinationChangedError, Output, UntrustedError, open_output, put_in_place
from arsync.engine.task import Task
from arsync.fs.blocks import ReadError, VerifyError, WriteError
from arsync.fs.copy import LARGE_FILE
from arsync.fs.protocol import FileOps, StatResult

#: The steps of a copy in which nothing of it is written yet.
_BEFORE_DATA = ("create", "back up", "prepare")


class SourceChangedError(Exception):
    """The source was written to while it was copied."""


class Basis(NamedTuple):
    """A file of an alternative tree that a new file is compared with, or whose data it gets."""

    st: StatResult  # its mode is the new file's without -p, where the source's data is copied
    changes: int  # the itemized flags of what differs from the source
    data: int = -1  # open for reading, where its data is what the source's is


async def replace(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    src: int,
    st: StatResult,
    existing: StatResult | None,
    basis: Basis | None,
) -> int | None:
    """Write the new file and put it in place; returns the flags of ACL and xattrs that differed, None on failure."""
    step = "create"
    output: Output | None = None
    complete = False
    like = existing if basis is None or basis.data >= 0 else basis.st
    try:
        output = await open_output(context, ops, task, index, st, existing, like)
        placing = context.placing
        if placing is not None:
            step = "back up" if context.config.backup else "prepare"
            await placing.begin(ops, task, index, src, output, st, existing)
        if output.mode == -1 and not output.device:
            await restrict(context, ops, task, output, st, like)
        step = "copy"
        if basis is not None and basis.data >= 0:
            await _copy_settled(context, ops, task, index, basis.data, output, basis.st)
        else:
            st = await _copy_settled(context, ops, task, index, src, output, st)
        step = "set metadata of"
        flags = await finish_metadata(context, ops, task, index, src, output, st, existing, like)
        step = "rename into place"
        if placing is None:
            await put_in_place(ops, task.dst, task.dst_names[index], output)
        else:
            await placing.end(
                ops,
                task,
                index,
                output,
                existing,
                lambda other: finish_metadata(context, ops, task, index, src, other, st, existing, like),
            )
        complete = True
        return flags
    except (SourceChangedError, DestinationChangedError, UntrustedError, OSError) as error:
        _note_failure(context, task, index, step, error)
        return None
    finally:
        if output is not None:
            try:
                if context.config.partial and not (complete or output.spoiled):
                    await _keep_part(context, ops, task, index, src, output, st, existing)
            finally:
                await output.close(ops)


def _note_failure(context: Context, task: Task, index: int, step: str, error: Exception) -> None:
    """Record what failed in ``step``. Raises the error again where it is not this file's."""
    if isinstance(error, SourceChangedError):
        task.fail(index, "read", None, "the file shrank while it was copied")
    elif isinstance(error, DestinationChangedError):
        task.fail(index, "overwrite", None, "something else took its place since it was looked at")
    elif isinstance(error, UntrustedError):
        task.fail(index, "put aside", None, str(error))
    elif isinstance(error, VerifyError):
        task.fail(index, "verify", None, error.strerror or "")
    elif isinstance(error, ReadError):
        task.fail(index, "read", error)
    elif isinstance(error, WriteError):
        task.fail(index, "write", error)
        context.check_full(error)
    elif isinstance(error, OSError) and (error.errno not in NO_DESCRIPTORS or _has_grown(context, step)):
        task.fail(index, step, error)
    else:
        raise error


def _has_grown(context: Context, step: str) -> bool:
    """Whether the file may be so long already that --append would take it for done when it is tried again."""
    return bool(context.config.append) and step not in _BEFORE_DATA


async def _keep_part(
    context: Context,
    ops: FileOps,
    task: Task,
    index: int,
    src: int,
    output: Output,
    st: StatResult,
    existing: StatResult | None,
) -> None:
    """The file was not completed: keep what there is of it, if it can be kept; what fails is recorded."""
    placing = context.placing
    assert placing is not None

    async def dress(other: Output) -> None:
        await finish_metadata(context, ops, task, index, src, other, st, existing, existing)

    try:
        await placing.keep_part(ops, task, index, output, existing, dress)
    except UntrustedError as error:
        task.fail(index, "keep the part of", None, str(error))
    except OSError as error:
        task.fail(index, "keep the part of", error)


async def _copy_settled(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, st: StatResult
) -> StatResult:
    """Copy the data; where the source was written to meanwhile, once more. Returns the status of what was copied, and
    the output is as long as that."""
    if st.st_size < LARGE_FILE:
        return await _copy_and_look(context, ops, task, index, src, output, st)
    teller = context.teller()
    teller.begin(src, task, index, st.st_size)
    try:
        return await _copy_and_look(context, ops, task, index, src, output, st)
    finally:
        teller.ended(src)


async def _copy_and_look(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, st: StatResult
) -> StatResult:
    for again in (True, False):
        done = await _copy_data(context, ops, task, index, src, output, st)
        now = await context.status(ops, src)
        settled = done >= st.st_size and now.st_mtime_ns == st.st_mtime_ns and now.st_size == st.st_size
        if settled or not again:
            break
        st = now
        if context.removing:
            task.read[index] = st
        if output.mode != -1:
            await ops.call(os.ftruncate, output.fd, 0)
    if done < st.st_size:
        raise SourceChangedError
    if output.mode == -1 and not output.device:
        await ops.call(os.ftruncate, output.fd, st.st_size)
    if not settled:
        # It keeps the time it had before the second copy, so that the next run sees that it is not the last word.
        task.fail(index, "copy", None, "it was written to while it was copied, twice", warning=True)
    return st


async def _copy_data(
    context: Context, ops: FileOps, task: Task, index: int, src: int, output: Output, st: StatResult
) -> int:
    """Copy the data once; returns where it ends. Under --verify, what is wrong is neither kept nor left appended."""
    try:
        if output.start:
            end = await context.copier.copy_rest(ops, src, output.fd, st, output.start)
        else:
            end = await context.copier.copy(ops, src, output.fd, st, task.place.device)
    except VerifyError:
        output.spoiled = True
        if output.start:
            await ops.call(os.ftruncate, output.fd, output.start)
        raise
    if context.verifying is not None and context.verifying.mended(src):
        task.fail(index, "verify", None, "it took a second copy until the right data was there", warning=True)
    return end
