"""Frames of the display as bytes for a terminal: the one module that imports rich.

rich knows how wide characters are, which colors the terminal has, and NO_COLOR; moving the cursor is ui/screen.py's.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from arsync.ui.display import Part, Row

#: Columns that no line has: each is cut before it is painted.
_ANY_WIDTH = 100_000

#: Columns between two pieces of a line.
_GAP = "  "


class _Memory(io.StringIO):
    """What is written to it, for a terminal of some encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


class Painter:
    """Paints frames for one terminal."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._memory = _Memory(encoding)
        self._console = Console(
            file=self._memory, width=_ANY_WIDTH, force_terminal=True, force_interactive=False, legacy_windows=False,
            highlight=False,
        )  # fmt: skip

    def paint(self, parts: list[Part], rows: list[Row], width: int) -> list[bytes]:
        """The lines of one frame."""
        first = Text(_GAP).join([Text(part.text, part.style) for part in parts])
        lines = [first, *(self._row(row, width) for row in rows)]
        for line in lines:
            line.truncate(width)
        self._memory.seek(0)
        self._memory.truncate()
        # All at once: each call has a price of its own.
        self._console.print(Text("\n").join(lines), end="", no_wrap=True, crop=False, overflow="ignore")
        made = self._memory.getvalue()
        if self._encoding == "ascii":
            made = made.replace("…", "<")
        return made.encode(self._encoding, "replace").split(b"\n")

    def _row(self, row: Row, width: int) -> Text:
        """Of a path that is too long the end is shown, which tells more than its beginning."""
        head, tail = (f"{_GAP}{row.head}{_GAP}" if row.head else _GAP), (f"{_GAP}{row.tail}" if row.tail else "")
        path = last_cells(row.path, width - cell_len(head) - cell_len(tail))
        return Text.assemble((head, "dim"), path, (tail, "cyan"))


def last_cells(text: str, room: int) -> str:
    """The end of a text, in so many columns of a terminal.

    >>> last_cells("some/long/path", 8), last_cells("short", 8)
    ('…ng/path', 'short')
    """
    if cell_len(text) <= room:
        return text
    if room < 2:
        return ""
    begin = max(0, len(text) - room + 1)
    while cell_len(text[begin:]) >= room:
        begin += 1
    return "…" + text[begin:]
