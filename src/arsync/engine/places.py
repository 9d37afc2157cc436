"""Places in the order of the output for lines that come later: of entries with several links (-H).

rsync's order: the entry that is copied has its line where it is met. Where no data was copied for it, what was met
before it is told right behind it, and what is met after it in its own place; else both when it is done, some time
later, which in a tree of less than a thousand entries is at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from arsync.events import Failure, Item

#: As many entries as rsync knows ahead of those that it deals with: so many are waited for before it is decided which
#: of several names is copied, and so many lines are kept back so that they come in rsync's order.
HELD_FOR_LINKS = 1000

#: What waits at the most for a place that may turn out not to be needed: more than the entries until that is decided,
#: whose places wait too.
_HELD_FOR_TENTATIVE = 2 * HELD_FOR_LINKS

_USUAL_PATH = 256

#: Where a line of those that come later belongs among them: the group's turn, what was met after its leader before
#: what was met before it, and the turn there.
Turn = tuple[int, int, int]


def weight(items: list[Item]) -> int:
    """How much items count that are held back; all of them are of one directory. Those with long paths count more."""
    return len(items) * (1 + len(items[0].path) // _USUAL_PATH) if items else 0


class Place:
    """Lines of one entry, and of those that are told right behind it, each of which is filled in when it is known."""

    __slots__ = ("items", "lost", "open", "tentative")

    def __init__(self) -> None:
        self.items: list[list[Item]] = [[]]
        self.open = 1  # how many are not known yet
        #: the entry may turn out not to be the one that is copied: others must not wait for ever
        self.tentative = False
        self.lost = False  # it waited for too long: what is filled in is told at once

    def extend(self, count: int) -> int:
        """Make room for so many entries behind it; returns the number of the first of them."""
        first = len(self.items)
        self.items += [[] for _ in range(count)]
        self.open += count
        return first


class Waiting:
    """What waits behind places that are not filled in yet; without any, everything is handed on at once.

    ``weight``: how much waits. It is bounded, as long as those who fill it wait when it is large: a place that nobody
    works on yet does not hold up much.
    """

    def __init__(self, emit: Callable[[list[Item], list[Failure]], None]) -> None:
        self._emit = emit
        self._queue: deque[Place | tuple[list[Item], list[Failure]]] = deque()
        self._later: list[tuple[Turn, list[Item]]] = []
        self.weight = 0

    def __bool__(self) -> bool:
        return bool(self._queue)

    def put(self, items: list[Item], failures: list[Failure]) -> None:
        """Hand on, behind all that waits."""
        if not self._queue:
            self._emit(items, failures)
        elif items or failures:
            self._queue.append((items, failures))
            self.weight += 1 + weight(items)
            self.advance()

    def put_place(self, place: Place) -> None:
        """What comes next waits for this place; :meth:`advance` follows."""
        self._queue.append(place)
        self.weight += 1

    def fill(self, place: Place, index: int, items: list[Item]) -> None:
        """The lines of one of a place's entries are known."""
        if place.lost:
            self.put(items, [])
            return
        place.items[index] = items
        place.open -= 1
        self.weight += weight(items)
        self.advance()

    def later(self, turn: Turn, items: list[Item]) -> None:
        """Hand on some time behind all that waits now."""
        self._later.append((turn, items))
        if len(self._later) > HELD_FOR_LINKS:
            self.tell_later()

    def tell_later(self) -> None:
        """Hand those on, in their order among themselves."""
        self._later.sort(key=lambda entry: entry[0])
        for _, items in self._later:
            self.put(items, [])
        self._later.clear()

    def advance(self) -> None:
        """Hand on what need not wait any more."""
        while self._queue:
            first = self._queue[0]
            if isinstance(first, Place) and first.open:
                if not first.tentative or self.weight <= _HELD_FOR_TENTATIVE:
                    return
                first.lost = True
            self._hand_on_first()

    def flush(self) -> None:
        """Wait for nothing any more."""
        while self._queue:
            self._hand_on_first()
        self.tell_later()

    def _hand_on_first(self) -> None:
        first = self._queue.popleft()
        self.weight -= 1
        if isinstance(first, Place):
            for items in first.items:
                self.weight -= weight(items)
                self._emit(items, [])
        else:
            self.weight -= weight(first[0])
            self._emit(*first)
