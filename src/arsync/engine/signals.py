"""The signals of one run: what stops it, and SIGUSR1, by which somebody asks how far it is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from arsync.engine.shared import QUESTION, SIGNALS, Shared
from arsync.errors import ExitCode
from arsync.events import Sink

if TYPE_CHECKING:
    import asyncio

#: Seconds within which two signals count as one.
_ONE_SIGNAL = 0.25


class Signals:
    """Hears them while the run goes on. ``kill`` ends the workers at once, ``tell`` says how far the run is."""

    def __init__(self, shared: Shared, sink: Sink, kill: Callable[[], None], tell: Callable[[], None]) -> None:
        self._shared = shared
        self._kill = kill
        self._sink = sink
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = False  # somebody wants to know how far the run is, and nobody could tell yet
        self._when = 0.0
        self._handlers: dict[int, Any] = {}  # those that there were before
        self.stopped_by = 0  # the first signal that came to stop the run

    def hear(self) -> None:
        """Begin. Where SIGHUP is ignored (nohup(1)), it stays so."""
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._on_signal)
        self._handlers[QUESTION] = signal.signal(QUESTION, self._on_question)

    def leave(self) -> None:
        """End: what was heard before is heard again."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """There is a loop, which answers; somebody may have asked before."""
        self._loop = loop
        loop.call_soon(self._answer)

    def detach(self) -> None:
        """There is none any more."""
        self._loop = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """The first signal stops the run in order, the second at once; two of one moment are one: timeout(1) sends its
        signal to the process and then to its group."""
        if self.stopped_by:
            if time.monotonic() - self._when < _ONE_SIGNAL:
                return
            self._kill()
            self._sink.cut_off()
            os._exit(ExitCode.SIGNAL)
        self.stopped_by = number
        self._when = time.monotonic()
        self._shared.stop()

    def _on_question(self, _number: int, _frame: FrameType | None) -> None:
        """What is said waits for the event loop, since a signal comes in the middle of anything."""
        self._asked = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        if self._asked:
            self._asked = False
            self._tell()
