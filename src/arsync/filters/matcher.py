"""Decides names by an ordered list of rules, of which the first that matches counts.

Neighbours with the same verdict are one group. A name's group is the lowest of three: that of its whole name and that
of each of its ends, which are looked up, and that of one regular expression for everything else. So what a name
costs hardly depends on the number of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from arsync.filters.pattern import Remains

_NO_GROUP = 1 << 60


class Line:
    """One rule as it holds in one directory: any of ``remains``, or, if ``negated``, none of them."""

    __slots__ = ("exclude", "negated", "remains")

    def __init__(self, exclude: bool, negated: bool, remains: list[Remains]) -> None:
        self.exclude = exclude
        self.negated = negated
        self.remains = remains


class Matcher:
    """Whether names are excluded. Made by :func:`build`."""

    __slots__ = ("_literals", "_match", "_suffixes", "_verdicts")

    def __init__(
        self,
        literals: dict[bytes, int],
        suffixes: dict[int, dict[bytes, int]],
        regex: bytes,
        verdicts: list[bool],
    ) -> None:
        self._literals = literals
        self._suffixes = list(suffixes.items())
        self._match = re.compile(regex, re.DOTALL).match if regex else None
        self._verdicts = verdicts

    def excludes(self, name: bytes) -> bool:
        """Whether the first rule that matches is an exclude; False if none does."""
        group = self._literals.get(name, _NO_GROUP)
        for length, table in self._suffixes:
            found = table.get(name[-length:] if length else b"", _NO_GROUP)
            if found < group:
                group = found
        if self._match is not None and (match := self._match(name)) is not None:
            group = min(group, (match.lastindex or 0) - 1)
        return group is not _NO_GROUP and self._verdicts[group]

    def kept(self, names: Iterable[bytes]) -> list[bytes]:
        """The names that are not excluded, in their order."""
        excludes = self.excludes
        return [name for name in names if not excludes(name)]


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
    regex = b"|".join(b"(?:%s)\\Z()" % b"|".join(group) if group else b"(?!)()" for group in groups)
    return Matcher(literals, suffixes, regex if any(groups) else b"", verdicts)
