"""Which names the rules exclude in a directory, on the way down from the top of a transfer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from arsync.filters.filters import Filters, Side
from arsync.filters.lists import Entry, RuleList, Slot, shown, slot_names
from arsync.filters.matcher import Matcher
from arsync.filters.place import Place, Position, RuleSet, reach
from arsync.filters.rules import Merge, Rule
from arsync.filters.syntax import parse_file

Read = Callable[[bytes], bytes | None]


class Transfer:
    """One side of a transfer: its rules and where it begins.

    ``root`` is the absolute path of the directory in which the names given to the top scope are; ``read`` returns
    the content of the file at an absolute path, for merge files above the root and those that merge files name (None:
    no such file). What it raises comes through.
    """

    def __init__(self, filters: Filters, side: Side, root: bytes, read: Read) -> None:
        self.reading = filters.reading
        self.side = side.value
        self.root = tuple(name for name in os.path.normpath(root).split(b"/") if name)
        self.read = read

    def at_root(self, name: bytes) -> bytes | None:
        """Read a file at a path relative to the root."""
        return self.read(join(self.root) + b"/" + name)


def join(names: Iterable[bytes]) -> bytes:
    """An absolute path."""
    return b"/" + b"/".join(names)


def top(filters: Filters, side: Side, root: bytes, read: Read) -> Scope | None:
    """The scope of a transfer's arguments, to be entered by their names (see :class:`Transfer`).

    A source argument ``src/`` is entered by the empty name. None where no rule concerns the side.
    """
    if not filters.concerns(side):
        return None
    transfer = Transfer(filters, side, root, read)
    rules = RuleSet(filters.entries, transfer.side)
    found = [position for rule in rules.rules for position in reach(rule, transfer.root if rule.absolute else ())]
    return Scope(transfer, rules.place(frozenset(found)), transfer.root)


class Scope:
    """A directory. Excluded names are hidden from the transfer on the sender's side, and on the receiver's protected
    from being deleted."""

    __slots__ = ("_place", "_transfer", "path")

    def __init__(self, transfer: Transfer, place: Place, path: tuple[bytes, ...]) -> None:
        self._transfer = transfer
        self._place = place
        self.path = path  # absolute; kept only where merge files may come

    def enter(self, name: bytes, read: Read) -> Scope:
        """The scope of a directory here; this very object where the same holds in it.

        ``read`` returns the content of a file in that directory, None if there is none; what it raises comes through.
        Raises UsageError for a rule in a merge file that cannot be understood.
        """
        place = self._place.into(name) if name else self._place
        if not place.rules.has_slots:
            return self if place is self._place else Scope(self._transfer, place, ())
        path = (*self.path, name) if name else self.path
        return Scope(self._transfer, _Arrival(self._transfer, path, read).at(place), path)

    def matcher(self, directory: bool, *, doomed: bool = False) -> Matcher | None:
        """What decides many names; None where all are kept. For the arguments see :meth:`excludes`."""
        return self._place.matcher(directory, doomed)

    def excludes(self, name: bytes, directory: bool, *, doomed: bool = False) -> bool:
        """Whether a name is excluded; ``directory``: it is one's. ``doomed``: this directory is itself being deleted,
        so that perishable rules do not count."""
        matcher = self._place.matcher(directory, doomed)
        return matcher is not None and matcher.excludes(name)

    def kept(self, names: list[bytes], directory: bool, *, doomed: bool = False) -> list[bytes]:
        """The names that are not excluded, in their order; for the arguments see :meth:`excludes`."""
        matcher = self._place.matcher(directory, doomed)
        return names if matcher is None else matcher.kept(names)

    def ruling(self, name: bytes, directory: bool) -> Rule | None:
        """The rule that decides about a name, for people who ask why; None where none does. Slow."""
        return self._place.ruling(name, directory)

    @property
    def attribute_rules(self) -> tuple[bytes, ...]:
        """The rules about extended attributes of what is in this directory, for :func:`left_alone`."""
        return self._place.rules.attribute_rules


class _Arrival:
    """Reads the merge files of one directory."""

    def __init__(self, transfer: Transfer, path: tuple[bytes, ...], read: Read) -> None:
        self._transfer = transfer
        self._path = path
        self._read = read
        self._new: list[tuple[Rule, int]] = []  # with the number of names in the path of their directory
        self._active: set[bytes] = set()

    def at(self, place: Place) -> Place:
        """The place with what the directory's own merge files say."""
        old = place.rules
        self._active = slot_names(old.entries)
        entries = tuple(map(self._entry, old.entries))
        if all(one is other for one, other in zip(entries, old.entries)):
            return place
        rules = old.derived
        if rules is None or rules.entries != entries:
            rules = old.derived = RuleSet(entries, self._transfer.side)
        return rules.place(self._positions(place, rules))

    def _positions(self, place: Place, rules: RuleSet) -> frozenset[Position]:
        kept = [position for position in place.positions if position[0] in rules.paths]
        root = len(self._transfer.root)
        for rule, base in self._new:
            if rule in rules.paths:
                if rule.absolute:
                    base = 0
                elif rule.rooted or not rule.pattern.anchored:
                    base = root
                kept += reach(rule, self._path[base:])
        return frozenset(kept)

    def _entry(self, entry: Entry) -> Entry:
        return self._slot(entry) if isinstance(entry, Slot) else entry

    def _slot(self, slot: Slot) -> Slot:
        """A slot with this directory's file before what is inherited."""
        merge = slot.merge
        held = slot.entries
        if not slot.scanned:
            held = self._scanned(merge)
        data = self._read(merge.name)
        own: list[Entry] = []
        cleared = not merge.inherited
        if cleared:
            self._active -= slot_names(held)
        if data is not None:
            own, now = self._parsed(merge, data, self._path, held)
            cleared = cleared or now
        inherited: tuple[Entry, ...] = () if cleared else tuple(map(self._entry, held))
        return slot.holding((*map(self._entry, own), *inherited))

    def _scanned(self, merge: Merge) -> tuple[Entry, ...]:
        """The rules in the directories from the one that the merge rule names down to the one above this."""
        directory = merge.path[: len(merge.path) - len(merge.name)]
        if not directory or not merge.inherited:
            return ()
        start = os.path.normpath(os.path.join(join(self._path), directory))
        names = tuple(name for name in start.split(b"/") if name)
        found: tuple[Entry, ...] = ()
        if names != self._path[: len(names)]:
            return found
        for depth in range(len(names), len(self._path)):
            path = self._path[:depth]
            data = self._transfer.read(os.path.join(join(path), merge.name))
            if data is not None:
                own, cleared = self._parsed(merge, data, path, found)
                found = (*own, *(() if cleared else found))
        return found

    def _parsed(
        self, merge: Merge, data: bytes, path: tuple[bytes, ...], held: tuple[Entry, ...]
    ) -> tuple[list[Entry], bool]:
        """What a file in the directory ``path`` says, and whether it clears what is inherited."""
        reading = self._transfer.reading

        def read(name: bytes) -> bytes | None:
            # A bare name is looked for at the transfer's root, as rsync does it.
            return self._transfer.read(os.path.join(join(path), name)) if b"/" in name else self._transfer.at_root(name)

        rules = RuleList(reading, read, self._active, rooted=True)
        name = shown(os.path.join(join(path), merge.name))
        rules.add(parse_file(data, name, merge, delete_excluded=reading.delete_excluded, from0=reading.from0))
        if rules.cleared:
            self._active -= slot_names(held)
        for entry in rules.entries:
            if isinstance(entry, Rule):
                entry.origin = entry.origin or b"per-dir " + merge.name
                self._new.append((entry, len(path)))
        return rules.entries, rules.cleared
