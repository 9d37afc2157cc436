"""Lists of rules: what parsed rules add up to, with every merge file in its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from arsync.errors import ExitCode, UsageError
from arsync.filters.rules import Clear, Cvs, Flags, Merge, Parsed, Rule
from arsync.filters.syntax import parse_file

#: Merge files that name each other would be read for ever.
MAX_NESTED_MERGES = 64


class Slot:
    """Where a per-directory merge file's rules stand in a list: those of the nearest directory first.

    ``scanned``: whether the directories above the transfer were looked at, where the rule asks for that.
    """

    __slots__ = ("empty", "entries", "merge", "scanned")

    def __init__(self, merge: Merge, entries: tuple[Entry, ...] = (), *, scanned: bool = False) -> None:
        self.merge = merge
        self.entries = entries
        self.scanned = scanned
        self.empty: Slot | None = None

    def holding(self, entries: tuple[Entry, ...]) -> Slot:
        """The same slot with other rules; the same object where nothing changes."""
        if self.scanned and len(entries) == len(self.entries) and all(map(_same, entries, self.entries)):
            return self
        if entries:
            slot = Slot(self.merge, entries, scanned=True)
            slot.empty = self.empty
            return slot
        if self.empty is None:
            self.empty = Slot(self.merge, scanned=True)
            self.empty.empty = self.empty
        return self.empty


Entry = Rule | Slot


def _same(one: Entry, other: Entry) -> bool:
    return one is other


def flat(entries: Iterable[Entry]) -> list[Rule]:
    """All rules in their order."""
    rules: list[Rule] = []
    for entry in entries:
        if isinstance(entry, Slot):
            rules += flat(entry.entries)
        else:
            rules.append(entry)
    return rules


def slot_names(entries: Iterable[Entry]) -> set[bytes]:
    """The names of all per-directory merge files."""
    names: set[bytes] = set()
    for entry in entries:
        if isinstance(entry, Slot):
            names |= {entry.merge.name} | slot_names(entry.entries)
    return names


class Reading(NamedTuple):
    """What decides how rules are read in one run."""

    delete_excluded: bool
    from0: bool
    cvs: Callable[[Cvs], list[Rule]]


class RuleList:
    """A list that rules are added to, from the command line or from a file in one directory.

    ``read`` returns the content of a file that a merge rule names (None: there is none). ``active`` are the names of
    the per-directory merge files in force: a second rule for the same name adds nothing. ``reading`` may change between
    two additions.
    """

    def __init__(
        self, reading: Reading, read: Callable[[bytes], bytes | None], active: set[bytes], *, rooted: bool = False
    ) -> None:
        self.reading = reading
        self._read = read
        self._active = active
        self._rooted = rooted  # what merged files contain is anchored at the transfer's root
        self._depth = 0
        self.entries: list[Entry] = []
        self.cleared = False

    def add(self, items: Iterable[Parsed]) -> None:
        """Append what was parsed."""
        for item in items:
            if isinstance(item, Rule):
                self.entries.append(item)
            elif isinstance(item, Clear):
                self._active -= slot_names(self.entries)
                self.entries.clear()
                self.cleared = True
            elif isinstance(item, Cvs):
                self.entries += self.reading.cvs(item)
            else:
                self._merge(item)

    def _merge(self, merge: Merge) -> None:
        if merge.excluded:
            # In a file of the tree rsync protects it from --delete-excluded, too.
            side = Flags(sender=self.reading.delete_excluded and not self._rooted)
            self.entries.append(Rule(True, side, merge.name, rooted=self._rooted))
        if merge.per_directory:
            if merge.name not in self._active:
                self._active.add(merge.name)
                self.entries.append(Slot(merge))
            return
        self._depth += 1
        if self._depth > MAX_NESTED_MERGES:
            raise UsageError(f"merge files name each other more than {MAX_NESTED_MERGES} deep: {shown(merge.path)}")
        self.add(self._parsed(merge))
        self._depth -= 1

    def _parsed(self, merge: Merge) -> list[Parsed]:
        data = read_or_refuse(self._read, merge.path)
        return parse_file(
            data,
            shown(merge.path),
            merge,
            delete_excluded=self.reading.delete_excluded,
            from0=self.reading.from0,
            rooted=self._rooted,
        )


def shown(path: bytes) -> str:
    """A path in a message."""
    return os.fsdecode(path)


def read_or_refuse(read: Callable[[bytes], bytes | None], path: bytes) -> bytes:
    """The content of a file that must be there; raises UsageError with rsync's exit code."""
    try:
        data = read(path)
    except OSError as error:
        raise UsageError(f"failed to open filter file {shown(path)}: {error.strerror}", ExitCode.FILE_IO) from error
    if data is None:
        raise UsageError(f"failed to open filter file {shown(path)}: No such file or directory", ExitCode.FILE_IO)
    return data
