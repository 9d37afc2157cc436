"""Decides names by an ordered list of rules, of which the first that matches counts.

Neighbours with the same verdict are one group. A name's group is the lowest of three: that of its whole name and that
of its ends, which are looked up, and that of one regular expression for everything else. So what a name costs hardly
depends on the number of rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from arsync.filters.pattern import Remains


class Line:
    """One rule as it holds in one directory: any of ``remains``, or, if ``negated``, none of them."""

    __slots__ = ("exclude", "negated", "remains")

    def __init__(self, exclude: bool, negated: bool, remains: list[Remains]) -> None:
        self.exclude = exclude
        self.negated = negated
        self.remains = remains


class Matcher:
    """Whether names are excluded. Made by :func:`build`."""

    __slots__ = ("_any", "_literals", "_ordered", "_suffixes", "_verdicts")

    def __init__(
        self,
        literals: dict[bytes, int],
        suffixes: dict[int, dict[bytes, int]],
        groups: list[list[bytes]],
        verdicts: list[bool],
    ) -> None:
        self._literals = literals
        # The last bytes of a name that is shorter are the whole name, which is no key then.
        self._suffixes = [(-length, table.get) for length, table in suffixes.items() if length]
        self._verdicts = [*verdicts, False]  # the last for what nothing matches
        if 0 in suffixes:  # "*": what no earlier group has
            self._verdicts[-1] = verdicts[suffixes[0][b""]]
        self._any = _compiled(_unordered(regex for group in groups for regex in group))
        self._ordered = _compiled(
            b"|".join(b"(?:%s)\\Z()" % b"|".join(group) if group else b"(?!)()" for group in groups)
        )

    def excludes(self, name: bytes) -> bool:
        """Whether the first rule that matches is an exclude; False if none does."""
        return not self.kept((name,))

    def kept(self, names: Iterable[bytes]) -> list[bytes]:
        """The names that are not excluded, in their order."""
        literal, suffixes, any_of, verdicts = self._literals.get, self._suffixes, self._any, self._verdicts
        none = len(verdicts) - 1
        kept = []
        for name in names:
            group = literal(name, none)
            for length, table in suffixes:
                if (found := table(name[length:], none)) < group:
                    group = found
            if any_of(name) is not None and (match := self._ordered(name)) is not None:
                group = min(group, (match.lastindex or 0) - 1)
            if not verdicts[group]:
                kept.append(name)
        return kept


def _compiled(regex: bytes) -> Callable[[bytes], re.Match[bytes] | None]:
    return re.compile(regex, re.DOTALL).match if regex else _no_match


def _no_match(_: bytes) -> None:
    return None


def _unordered(regexes: Iterable[bytes]) -> bytes:
    """One regular expression for any of many, with what they have in common at their beginning taken out: whether
    one of them matches is found faster than which, and of most names none does."""
    starred: list[bytes] = []
    others: list[bytes] = []
    for regex in regexes:
        (starred if regex.startswith(b".*") else others).append(regex)
    parts = [b"(?:%s)\\Z" % b"|".join(others)] if others else []
    if starred:
        parts.append(b".*(?:%s)\\Z" % b"|".join(regex[2:] for regex in starred))
    return b"|".join(parts)


def _negation(remains: list[Remains]) -> bytes:
    """Any name that is none of these."""
    return b"(?!" + b"|".join(b"(?:%s)\\Z" % _regex(item) for item in remains) + b").*" if remains else b".*"


def _regex(item: Remains) -> bytes:
    if item.literal is not None:
        return re.escape(item.literal)
    if item.suffix is not None:
        return b".*" + re.escape(item.suffix)
    return item.regex or b""


def build(lines: Sequence[Line]) -> Matcher | None:
    """The matcher for rules in their order; None if they exclude nothing at all."""
    literals: dict[bytes, int] = {}
    suffixes: dict[int, dict[bytes, int]] = {}
    groups: list[list[bytes]] = []
    verdicts: list[bool] = []
    for line in lines:
        if not line.remains and not line.negated:
            continue
        if not verdicts or verdicts[-1] != line.exclude:
            verdicts.append(line.exclude)
            groups.append([])
        number = len(verdicts) - 1
        if line.negated:
            groups[-1].append(_negation(line.remains))
            continue
        for item in line.remains:
            if item.literal is not None:
                literals.setdefault(item.literal, number)
            elif item.suffix is not None:
                suffixes.setdefault(len(item.suffix), {}).setdefault(item.suffix, number)
            else:
                groups[-1].append(item.regex or b"")
        if Remains(suffix=b"") in line.remains:
            break  # it matches every name: nothing behind it is reached
    if not any(verdicts):
        return None
    return Matcher(literals, suffixes, groups if any(groups) else [], verdicts)
