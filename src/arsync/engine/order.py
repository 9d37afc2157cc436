"""Puts results back into traversal order: lines come as rsync prints them, whatever the workers' order was."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from arsync.engine.places import Place, Waiting, weight
from arsync.engine.slices import SliceWork
from arsync.events import ALT, KEPT, NOTES, SKIPPED, TRANSFER, UNSAFE, Failure, Item, Kind, Sink
from arsync.fs.xattr import UNSUPPORTED

#: Items held back at the most before the traversal pauses: one slow file must not make memory grow without bound.
#: Those with long paths count as several.
HELD_ITEMS = 50_000


#: An entry with several links: see wire.SliceResult.
Candidate = tuple[int, int, int, int, bool]

#: Returns the place of each in the order, None of those that need none yet.
OnCandidates = Callable[[SliceWork, list[Candidate]], Sequence[Place | None]]


class _Part:
    """What became of one slice, or of the part of it that one worker did."""

    __slots__ = ("candidates", "failures", "indexes", "items", "offset", "work")

    def __init__(
        self,
        offset: int,
        items: list[Item],
        failures: list[Failure],
        work: SliceWork | None,
        found: list[Candidate],
        indexes: list[int],
    ) -> None:
        self.offset = offset
        self.indexes = indexes  # of the items' entries, where there are candidates among them
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

    ``on_candidates`` gets entries with several links in the same order (-H), each as soon as all before it are known;
    what comes behind one whose own line is not known yet waits for that.
    """

    def __init__(self, sink: Sink, unchanged: bool, on_candidates: OnCandidates) -> None:
        self._sink = sink
        self.unchanged = unchanged
        self._on_candidates = on_candidates
        self._slots: dict[int, _Slot] = {}
        self._next_open = 0
        self._next_out = 0
        self._emitting = False
        self._held = 0
        self.failures = 0
        self.vanished = 0
        self.failed: set[str] = set()  # what was being done when something failed
        self._said: set[tuple[str, int]] = set()
        self._collected: tuple[list[Item], list[Failure]] | None = None
        self.waiting = Waiting(self.emit)

    def open(self) -> int:
        """The number of the next place in the order."""
        number = self._next_open
        self._next_open += 1
        self._slots[number] = _Slot()
        return number

    def next_number(self) -> int:
        """The place that is emitted next; -1 where something else comes before it."""
        return -1 if self.waiting else self._next_out

    def held(self) -> int:
        """How much is held back."""
        return self._held + self.waiting.weight

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
        indexes: list[int] | None = None,
    ) -> None:
        """Add a part to a place, and emit what is now complete. ``indexes``: of the items' entries in the slice, where
        there are candidates."""
        slot = self._slots[number]
        offset = work.offset if work is not None else 0
        slot.parts.append(_Part(offset, items, failures, work, candidates or [], indexes or []))
        self._held += weight(items)
        if self._emitting:
            return  # whoever does that goes on with this one
        self._emitting = True
        while (slot_out := self._slots.get(self._next_out)) is not None and len(slot_out.parts) == slot_out.expected:
            del self._slots[self._next_out]
            self._next_out += 1
            self._emit_slot(slot_out)
        self._emitting = False

    def complete(self) -> bool:
        """Whether everything that was opened is known, and all candidates were met."""
        return self._next_out == self._next_open and not self._emitting

    def flush(self) -> None:
        """Emit whatever is complete in itself, at the end or after an interrupt."""
        for number in sorted(self._slots):
            self._emit_slot(self._slots.pop(number))
        self.waiting.flush()

    def _emit_slot(self, slot: _Slot) -> None:
        slot.parts.sort(key=lambda part: part.offset)
        for part in slot.parts:
            self._held -= weight(part.items)
            if part.work is not None and part.candidates:
                self._emit_with_candidates(part, part.work)
            else:
                self.waiting.put(part.items, part.failures)

    def _emit_with_candidates(self, part: _Part, work: SliceWork) -> None:
        begin = 0
        for candidate, place in zip(part.candidates, self._on_candidates(work, part.candidates)):
            if place is not None:
                end = bisect_left(part.indexes, candidate[0])
                self.waiting.put(part.items[begin:end], [])
                self.waiting.put_place(place)
                begin = end
        self.waiting.put(part.items[begin:], part.failures)
        self.waiting.advance()

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
