"""The display of --progress from its first frame to the line that stays: what it says, and where it is drawn."""

from __future__ import annotations

from typing import BinaryIO

from arsync.config import CopyConfig
from arsync.events import Progress, Totals
from arsync.ui.display import Display
from arsync.ui.screen import Screen


class Drawing:
    """One run's display. Lines are written to ``screen`` while it is shown."""

    def __init__(self, config: CopyConfig, out: BinaryIO, err: BinaryIO) -> None:
        self.screen = Screen(config, out, err)
        self._display = Display(self.screen.fd, config.human_readable, workers=config.verbose > 0)
        self._ended = False

    def progress(self, progress: Progress) -> None:
        """The run is so far now; it is drawn if the last frame is old enough."""
        if not self._ended and self._display.due():
            self.screen.show(self._display.frame(progress))

    def finished(self, totals: Totals, progress: Progress) -> None:
        """The run is over: one line stays."""
        self.close()
        self.screen.line(self._display.closing(totals, progress))

    def close(self) -> None:
        """Nothing is drawn any more."""
        self._ended = True
        self.screen.show([])

    def cut_off(self) -> None:
        """As :meth:`arsync.events.Sink.cut_off`."""
        self.screen.cut_off()
