"""Puts results back into traversal order: lines come as rsync prints them, whatever the workers' order was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from arsync.engine.slices import SliceWork
from arsync.events import ALT, KEPT, NOTES, SKIPPED, TRANSFER, UNSAFE, Failure, Item, Kind, Sink
from arsync.fs.xattr import UNSUPPORTED

#: Items held back at the most before the traversal pauses: one slow file must not make memory grow without bound.
#: Those with long paths count as several.
HELD_ITEMS = 50_000
_USUAL_PATH = 256


#: An entry with several links: see wire.SliceResult.
Candidate = tuple[int, int, int, int, bool]

OnCandidates = Callable[[SliceWork, list[Candidate]], None]


def _weight(items: list[Item]) -> int:
    """How much a part's items count; all of them are of one directory."""
    return len(items) * (1 + len(items[0].path) // _USUAL_PATH) if items else 0


class _Part:
    """What became of one slice, or of the part of it that one worker did."""

    __slots__ = ("candidates", "failures", "items", "offset", "work")

    def __init__(
        self, offset: int, items: list[Item], failures: list[Failure], work: SliceWork | None, found: list[Candidate]
    ) -> None:
        self.offset = offset
        self.items = items
        self.failures = failures
        self.work = work
        self.candidates = found


class _Slot:
    """One place in the order: a directory's own line, or a slice's entries."""

    __slots__ = ("expected", "parts")

    def __init__(self) -> None:
        self.expected = 1
        self.parts: list[_Part] = []


class Order:
    """Emits places in the order in which they were opened, each when it and all before it are complete.

    ``on_candidates`` gets entries with several links in the same order (-H).
    """

    def __init__(self, sink: Sink, unchanged: bool, on_candidates: OnCandidates) -> None:
        self._sink = sink
        self.unchanged = unchanged
        self._on_candidates = on_candidates
        self._slots: dict[int, _Slot] = {}
        self._next_open = 0
        self._next_out = 0
        self.held = 0
        self.failures = 0
        self.vanished = 0
        self.failed: set[str] = set()  # what was being done when something failed
        self._said: set[tuple[str, int]] = set()
        self._collected: tuple[list[Item], list[Failure]] | None = None

    def open(self) -> int:
        """The number of the next place in the order."""
        number = self._next_open
        self._next_open += 1
        self._slots[number] = _Slot()
        return number

    def next_number(self) -> int:
        """The place that is emitted next."""
        return self._next_out

    def expect_another(self, number: int) -> None:
        """A place's slice was split: one more part will be added to it."""
        self._slots[number].expected += 1

    def add(
        self,
        number: int,
        items: list[Item],
        failures: list[Failure],
        work: SliceWork | None = None,
        candidates: list[Candidate] | None = None,
    ) -> None:
        """Add a part to a place, and emit what is now complete."""
        slot = self._slots[number]
        slot.parts.append(_Part(work.offset if work is not None else 0, items, failures, work, candidates or []))
        self.held += _weight(items)
        while (slot_out := self._slots.get(self._next_out)) is not None and len(slot_out.parts) == slot_out.expected:
            del self._slots[self._next_out]
            self._next_out += 1
            self._emit_slot(slot_out)

    def complete(self) -> bool:
        """Whether everything that was opened has been emitted."""
        return self._next_out == self._next_open

    def flush(self) -> None:
        """Emit whatever is complete in itself, after an interrupt."""
        for number in sorted(self._slots):
            self._emit_slot(self._slots.pop(number))

    def _emit_slot(self, slot: _Slot) -> None:
        slot.parts.sort(key=lambda part: part.offset)
        for part in slot.parts:
            self.held -= _weight(part.items)
            self.emit(part.items, part.failures)
            if part.work is not None and part.candidates:
                self._on_candidates(part.work, part.candidates)

    @contextmanager
    def at(self, work: SliceWork) -> Iterator[None]:
        """What would be emitted meanwhile comes right before the first entry of a slice, which has yet to be added."""
        items: list[Item] = []
        failures: list[Failure] = []
        self._collected = items, failures
        try:
            yield
        finally:
            self._collected = None
        if work.number is None:
            self.emit(items, failures)
        elif items or failures:
            self.expect_another(work.number)
            self.add(work.number, items, failures, work)

    def emit(self, items: list[Item], failures: list[Failure]) -> None:
        """Emit now: what rsync too prints when it happens (hard links, directories' times)."""
        if self._collected is not None:
            self._collected[0].extend(items)
            self._collected[1].extend(failures)
            return
        for item in items:
            if item.changes & SKIPPED:
                self._sink.skipped(item.path, "directory" if item.kind == Kind.DIRECTORY else "non-regular file")
            elif item.changes & KEPT:
                self._sink.kept(item.path)
            elif item.changes & NOTES:
                self._sink.note(item)
            elif item.changes & UNSAFE:
                self._sink.unsafe_link(item.path, item.target, bool(item.changes & TRANSFER))
            elif self.unchanged or (item.changes and not item.changes & ALT):
                self._sink.item(item)
        for failure in failures:
            self._emit_failure(failure)

    def _emit_failure(self, failure: Failure) -> None:
        if failure.vanished:
            self.vanished += 1
        elif not failure.warning:
            self.failures += 1
            self.failed.add(failure.operation)
        if failure.errno in UNSUPPORTED:
            # What a file system cannot hold is said once, and counted each time.
            key = (failure.operation, failure.errno)
            if key in self._said:
                return
            self._said.add(key)
        self._sink.failure(failure)
