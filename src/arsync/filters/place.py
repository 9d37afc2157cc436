"""Rules as they hold in a directory, and what changes on the way into the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from arsync.filters.lists import Entry, Slot, flat
from arsync.filters.matcher import Line, Matcher, build
from arsync.filters.pattern import Pattern
from arsync.filters.rules import Rule

#: A rule for paths and how far a directory's path has come in its pattern.
Position = tuple[Rule, int]
Positions = frozenset[Position]

#: Places that a list of rules remembers; the next directory can always make its own anew.
_REMEMBERED = 4096


class Steps:
    """Positions, ordered by the directory name that takes them further."""

    __slots__ = ("_by_name", "_others")

    def __init__(self, positions: Iterable[Position]) -> None:
        self._by_name: dict[bytes, list[Position]] = {}
        self._others: list[Position] = []
        for rule, at in positions:
            name = rule.pattern.first_name(at)
            if name is None:
                self._others.append((rule, at))
            elif name:
                self._by_name.setdefault(name, []).append((rule, at + len(name) + 1))

    def into(self, name: bytes) -> list[Position]:
        """The positions in the directory ``name``."""
        found = list(self._by_name.get(name, ()))
        for rule, at in self._others:
            found += [(rule, after) for after in rule.pattern.advance((at,), name + b"/")]
        return found


class RuleSet:
    """A list of rules for one side. Directories that have no merge file of their own share it."""

    __slots__ = ("_places", "_restarts", "attribute_rules", "derived", "entries", "has_slots", "paths", "rules")

    def __init__(self, entries: tuple[Entry, ...], side: str) -> None:
        self.entries = entries
        sided = [rule for rule in flat(entries) if getattr(rule, side)]
        self.rules = [rule for rule in sided if not rule.xattr]
        self.attribute_rules = tuple(rule.about_attributes for rule in sided if rule.xattr)
        self.has_slots = any(isinstance(entry, Slot) for entry in entries)
        self.paths = {rule for rule in self.rules if rule.pattern.whole or rule.pattern.anchored}
        self.derived: RuleSet | None = None  # the last that was made of this one, further down
        self._restarts: Steps | None = None
        self._places: dict[Positions, Place] = {}

    def place(self, positions: Positions) -> Place:
        """The place where these positions are reached."""
        place = self._places.get(positions)
        if place is None:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            place = self._places[positions] = Place(self, positions)
        return place

    def restarts(self) -> Steps:
        """What is not anchored begins anew in every directory."""
        if self._restarts is None:
            self._restarts = Steps(
                (rule, at) for rule in self.paths if not rule.pattern.anchored for at in rule.pattern.starts
            )
        return self._restarts


class Place:
    """What holds in all directories whose rules and positions are these."""

    __slots__ = ("_matchers", "_steps", "positions", "rules")

    def __init__(self, rules: RuleSet, positions: Positions) -> None:
        self.rules = rules
        self.positions = positions
        self._steps: Steps | None = None
        self._matchers: dict[tuple[bool, bool], Matcher | None] = {}

    def into(self, name: bytes) -> Place:
        """The place in a directory, as far as these rules say it; often this very object."""
        if not self.rules.paths:
            return self
        if self._steps is None:
            self._steps = Steps(self.positions)
        positions = frozenset(self._steps.into(name) + self.rules.restarts().into(name))
        return self if positions == self.positions else self.rules.place(positions)

    def matcher(self, directory: bool, doomed: bool) -> Matcher | None:
        """Decides names of directories or of all else; ``doomed``: without perishable rules."""
        key = (directory, doomed)
        if key not in self._matchers:
            self._matchers[key] = build(self._lines(directory, doomed))
        return self._matchers[key]

    def _lines(self, directory: bool, doomed: bool) -> list[Line]:
        reached: dict[Rule, list[int]] = {}
        for rule, at in self.positions:
            reached.setdefault(rule, []).append(at)
        lines = []
        for rule in self.rules.rules:
            if doomed and rule.perishable:
                continue
            pattern = rule.pattern
            starts: list[int] = reached.get(rule, [])
            if not pattern.anchored:
                starts = [*starts, *pattern.starts]
            lines.append(_line(rule, starts, directory))
        return lines


def _line(rule: Rule, starts: Iterable[int], directory: bool) -> Line:
    pattern = rule.pattern
    remains = []
    if directory or not pattern.directory_only:
        remains = [item for at in starts for item in pattern.remains(at, directory)]
    return Line(rule.exclude, rule.negated, remains)


@lru_cache(maxsize=256)
def attribute_matcher(rules: tuple[bytes, ...]) -> Matcher | None:
    """Decides names of extended attributes, which have no path, by :attr:`RuleSet.attribute_rules`."""
    lines = []
    for text in rules:
        pattern = Pattern(text.partition(b" ")[2])
        starts = () if pattern.anchored else pattern.starts
        remains = [] if pattern.directory_only else [item for at in starts for item in pattern.remains(at, False)]
        lines.append(Line(text.startswith(b"-"), b"!" in text[:2], remains))
    return build(lines)


def left_alone(rules: tuple[tuple[bytes, ...], ...]) -> Callable[[bytes], bool] | None:
    """What tells whether an extended attribute is left alone, as one of several lists of rules says; None where all are
    copied."""
    matchers = [matcher for some in rules if (matcher := attribute_matcher(some)) is not None]
    return (lambda name: any(matcher.excludes(name) for matcher in matchers)) if matchers else None


def reach(rule: Rule, names: Iterable[bytes]) -> list[Position]:
    """The positions of a rule behind a path of directories."""
    pattern = rule.pattern
    if not pattern.whole and not pattern.anchored:
        return []
    live: frozenset[int] = pattern.starts if pattern.anchored else frozenset()
    for name in names:
        if not pattern.anchored:
            live |= pattern.starts
        live = pattern.advance(live, name + b"/")
    return [(rule, at) for at in live]
