"""Frames of the display as bytes for a terminal: the one module that imports rich.

rich knows how wide characters are and what a style's escapes are; moving the cursor is ui/screen.py's. Only its styles
and its widths are imported, which takes 4 ms: the whole of it takes 20, and a run may be over in a second.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

if TYPE_CHECKING:
    from arsync.ui.display import Part, Row

#: Columns between two pieces of a line.
_GAP = "  "

#: A text and how it looks, in rich's words.
_Piece = tuple[str, str]


class Painter:
    """Paints frames for one terminal. Its colors are the eight that every terminal has; NO_COLOR leaves them out."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._colored = not os.environ.get("NO_COLOR")

    def paint(self, parts: list[Part], rows: list[Row], width: int) -> list[bytes]:
        """The lines of one frame, none of them wider than ``width`` columns."""
        first = [(part.text if index == 0 else _GAP + part.text, part.style) for index, part in enumerate(parts)]
        return [self._line(first, width), *(self._line(_pieces(row, width), width) for row in rows)]

    def _line(self, pieces: list[_Piece], room: int) -> bytes:
        made = ""
        for text, style in pieces:
            if cell_len(text) > room:
                text = set_cell_size(text, room)
            room -= cell_len(text)
            made += self._styled(text, style)
        if self._encoding == "ascii":
            made = made.replace("…", "<")
        return made.encode(self._encoding, "replace")

    def _styled(self, text: str, words: str) -> str:
        style = Style.parse(words)
        return (style if self._colored else style.without_color).render(text, color_system=ColorSystem.STANDARD)


def _pieces(row: Row, width: int) -> list[_Piece]:
    """Of a path that is too long the end is shown, which tells more than its beginning."""
    head, tail = (f"{_GAP}{row.head}{_GAP}" if row.head else _GAP), (f"{_GAP}{row.tail}" if row.tail else "")
    path = last_cells(row.path, width - cell_len(head) - cell_len(tail))
    return [(head, "dim"), (path, ""), (tail, "cyan")]


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
