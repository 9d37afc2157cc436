"""What is said of deleted entries, which come to the sink as items, and of notes."""

from __future__ import annotations

import io

import pytest

from arsync.config import CopyConfig
from arsync.errors import ExitCode
from arsync.events import BACKED_UP, DELETED, EXISTS, NEWER, NOTES, REMOVED, TOO_LARGE, Item, Kind, Totals
from arsync.ui.failures import MEANINGS, closing_line
from arsync.ui.notes import DEBUG_FLAGS, FLAGS
from arsync.ui.text import TextSink

GONE = Item(b"d/x\n", Kind.DIRECTORY, DELETED)


def said(*items: Item, **options: object) -> list[bytes]:
    out = io.BytesIO()
    sink = TextSink(CopyConfig((b"a",), b"b", **options), out, io.BytesIO())  # type: ignore[arg-type]
    for item in items:
        (sink.note if item.changes & NOTES else sink.item)(item)
    sink.flush()
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"itemize": 1}, b"*deleting   d/x\\#012/"),
        ({"verbose": 1}, b"deleting d/x\\#012/"),
        ({"out_format": b"%n"}, b"deleting d/x\\#012/"),
        ({"info": ("del",)}, b"deleting d/x\\#012/"),
        ({"out_format": b"%o %n %l %B %f"}, b"del. d/x\\#012/ 0 --------- d/x\\#012"),
        ({"out_format": b"%i|%C|%M"}, b"*deleting  |" + b" " * 32 + b"|1970/01/01-00:00:00"),
        ({"verbose": 1, "info": ("name0,del0",)}, None),
        ({"verbose": 1, "quiet": 1}, None),
        ({}, None),
    ],
    ids=str,
)
def test_deleted(options: dict[str, object], line: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert said(GONE, **options) == ([] if line is None else [line])


def test_notes() -> None:
    notes = [
        Item(b"f", 0, BACKED_UP, b"f~"),
        Item(b"f", 0, REMOVED),
        Item(b"f", 0, TOO_LARGE),
        Item(b"f", 0, NEWER),
        Item(b"f", 0, EXISTS, b"uptodate"),
    ]
    assert said(*notes, info=("backup,remove,skip",)) == [
        b"backed up f to f~",
        b"sender removed f",
        b"f is over max-size",
        b"f is newer",
        b"f exists (uptodate)",
    ]
    assert said(*notes, info=("backup",)) == [b"backed up f to f~"]
    assert said(*notes) == []
    assert sum(FLAGS) + sum(DEBUG_FLAGS) == NOTES


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert closing_line(ExitCode.VANISHED).startswith(b"arsync warning: ")


def test_deleted_files_are_counted() -> None:
    out = io.BytesIO()
    totals = Totals()
    totals.deleted[Kind.FILE], totals.deleted[Kind.DIRECTORY] = 1200, 3
    TextSink(CopyConfig((b"a",), b"b", stats=True), out, io.BytesIO()).finished(totals)
    assert b"Number of deleted files: 1,203 (reg: 1,200, dir: 3)\n" in out.getvalue()
