"""Many failures of one kind: the first are shown, the others counted, so that cron mail is short."""

from __future__ import annotations

import os
from collections.abc import Iterator

from arsync.events import Failure
from arsync.ui.escape import escape

#: Failures of one kind that are shown one by one.
SHOWN = 10


class ErrorSummary:
    """Counts failures by kind: what was being done, and why it failed."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int, str, bool], tuple[int, bytes]] = {}
        self._advice: dict[str, None] = {}  # in order, each once

    def shows(self, failure: Failure) -> bool:
        """Count a failure; whether it is one of those shown one by one."""
        kind = _kind(failure)
        count, first = self._kinds.get(kind, (0, failure.path))
        self._kinds[kind] = (count + 1, first)
        if not count:
            self._advise(failure)
        return count < SHOWN or not failure.path

    def _advise(self, failure: Failure) -> None:
        from arsync.ui.advice import advice

        if (text := advice(failure)) is not None:
            self._advice[text] = None

    def lines(self) -> Iterator[bytes]:
        """A line for each kind of which not all were shown."""
        for (operation, number, detail, vanished), (count, first) in self._kinds.items():
            if count <= SHOWN or not first:
                continue
            what = "vanished" if vanished else f"{operation} failed: {_why(number, detail)}"
            yield escape(os.fsencode(f"arsync: {count} files: {what}, first: ")) + b'"' + escape(first) + b'"'

    def hints(self) -> Iterator[bytes]:
        """What can be done about all of them."""
        for text in self._advice:
            yield b"arsync: hint: " + text.encode()


def _kind(failure: Failure) -> tuple[str, int, str, bool]:
    if failure.vanished:
        return "", 0, "", True
    return failure.operation, failure.errno, failure.detail, False


def _why(number: int, detail: str) -> str:
    reason = f"{os.strerror(number)} ({number})" if number else ""
    return f"{detail}: {reason}" if detail and reason else detail or reason
