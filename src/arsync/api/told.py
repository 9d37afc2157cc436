"""What the process that copies tells its caller: plain values that marshal takes, and what the caller makes of them."""

from __future__ import annotations

import os
import struct
from typing import Any

from arsync import events
from arsync.api.result import Action, CopyResult, Counts, EntryKind, FileError, Item, Progress
from arsync.errors import ExitCode
from arsync.events import ATTRIBUTES, DELETED, HARDLINK, LOCAL, NEW, TRANSFER, Totals

#: Before each message: how long it is.
LENGTH = struct.Struct("=Q")

# The first member of each message.
ITEMS = 0
FAILURE = 1
PROGRESS = 2
NOTICE = 3
DONE = 4  # the last one: the run came to its end
FATAL = 5  # the last one: it could not begin, or not go on
DEFECT = 6  # the last one: arsync is at fault

_KINDS: tuple[EntryKind, ...] = ("file", "directory", "symlink", "device", "special")


def item_values(item: events.Item) -> tuple[Any, ...]:
    """An item, fit to be sent."""
    entry = (item.path, int(item.kind), item.changes, item.target)
    status = item.status
    return entry if status is None else (*entry, status.size, status.mode, status.mtime_ns)


def item_from(values: tuple[Any, ...]) -> Item:
    """The inverse, as the caller sees it."""
    from arsync.ui.itemize import flags

    path, kind, changes, target, *known = values
    return Item(path, _KINDS[kind], _action(changes), flags(kind, changes).decode(), target, *known)


def _action(changes: int) -> Action:
    if changes & DELETED:
        return "deleted"
    if changes & HARDLINK:
        return "linked"
    if changes & TRANSFER:
        return "copied"
    if changes & LOCAL and changes & NEW:
        return "created"
    return "changed" if changes & (ATTRIBUTES | LOCAL | NEW) else "unchanged"


def progress_values(progress: events.Progress) -> tuple[Any, ...]:
    """Fit to be sent, in the order of the fields of :class:`Progress`."""
    return (
        progress.listed, progress.listed_all, progress.listed_size, progress.passed, progress.files, progress.moved,
        progress.path, progress.done, progress.size,
    )  # fmt: skip


def progress_from(values: tuple[Any, ...]) -> Progress:
    """The inverse."""
    return Progress(*values)


def done_values(totals: Totals, skipped: int) -> tuple[Any, ...]:
    """The counts of a run, fit to be sent; made into a result by :class:`Collector`."""
    from arsync.ui.summary import how_done

    return (
        totals.errors, tuple(totals.seen), tuple(totals.created), tuple(totals.deleted), skipped, totals.kept_back,
        totals.transferred_files, totals.transferred_size, totals.written, totals.cloned, totals.linked,
        totals.total_size, totals.elapsed_ns / 1e9, tuple(how_done(totals)),
    )  # fmt: skip


class Collector:
    """Gathers what a result is made of."""

    def __init__(self) -> None:
        self._errors: list[FileError] = []
        self._warnings: list[FileError] = []
        self._vanished: list[bytes] = []
        self._notices: list[str] = []

    def failure(self, values: tuple[Any, ...]) -> FileError | None:
        """Add one; returns it where it is an error."""
        from arsync.ui.failures import failure_line

        failure = events.Failure(*values)
        if failure.vanished:
            self._vanished.append(failure.path)
            return None
        message = os.fsdecode(failure_line(failure).removeprefix(b"arsync: "))
        error = FileError(failure.operation, failure.path, failure.errno, message)
        (self._warnings if failure.warning else self._errors).append(error)
        return None if failure.warning else error

    def notice(self, text: str) -> None:
        """Add one."""
        self._notices.append(text.removeprefix("arsync: "))

    def result(self, code: int, values: tuple[Any, ...]) -> CopyResult:
        """The result of a run that came to its end."""
        errors, seen, created, deleted, *rest = values
        return CopyResult(
            ExitCode(code),
            tuple(self._errors),
            tuple(self._warnings),
            tuple(self._vanished),
            tuple(self._notices),
            errors,
            Counts(*seen),
            Counts(*created),
            Counts(*deleted),
            *rest,
        )
