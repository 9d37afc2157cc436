"""What a worker's answer about a slice has to tell."""

from __future__ import annotations

from typing import Any

from arsync.engine.slices import SliceWork
from arsync.engine.wire import DELETE, SliceResult
from arsync.events import Failure, Item


def told(work: SliceWork, answer: SliceResult, *, detailed: bool) -> tuple[list[Item], list[Failure]]:
    """What an answer has to tell of its entries, in their order: those in flight together end in any.

    ``detailed``: with size, mode and times.
    """
    if not (answer.items or answer.failures):
        return [], []
    prefix, names = work.node.path, work.names
    if detailed:
        from arsync.engine.detail import detailed_items

        items = detailed_items(work, sorted(answer.items, key=_first))
    else:
        items = [
            Item(prefix + names[index], kind, changes, target)
            # What was kept of a deleted entry is told before that it was deleted, as it happened.
            for index, kind, changes, target in sorted(answer.items, key=_first if work.flags & DELETE else None)
        ]
    return items, [
        Failure(operation, prefix + names[index], number, detail, vanished, warning)
        for operation, index, number, detail, vanished, warning in sorted(answer.failures, key=_by_index)
    ]


def _first(item: tuple[Any, ...]) -> int:
    index: int = item[0]
    return index


def _by_index(failure: tuple[Any, ...]) -> int:
    index: int = failure[1]
    return index
