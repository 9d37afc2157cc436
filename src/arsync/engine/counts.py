"""Counters of one batch: plain integers in a list, cheap to raise for every file and to send."""

from __future__ import annotations

from arsync.events import Kind, Totals

KINDS = len(Kind)
SEEN = 0  # by kind
CREATED = KINDS  # by kind
FILES = 2 * KINDS  # regular files whose data was copied
TOTAL_SIZE = FILES + 1
TRANSFERRED_SIZE = FILES + 2
WRITTEN = FILES + 3  # bytes really moved
CLONED = FILES + 4  # bytes shared by reflink
LINKED = FILES + 5
DELETED = FILES + 6  # by kind
LENGTH = DELETED + KINDS


def zero() -> list[int]:
    """Counters at nought."""
    return [0] * LENGTH


def add(totals: Totals, counts: tuple[int, ...]) -> None:
    """Add a batch's counters to the run's totals."""
    for kind in range(KINDS):
        totals.seen[kind] += counts[SEEN + kind]
        totals.created[kind] += counts[CREATED + kind]
        totals.deleted[kind] += counts[DELETED + kind]
    totals.transferred_files += counts[FILES]
    totals.total_size += counts[TOTAL_SIZE]
    totals.transferred_size += counts[TRANSFERRED_SIZE]
    totals.written += counts[WRITTEN]
    totals.cloned += counts[CLONED]
    totals.linked += counts[LINKED]
