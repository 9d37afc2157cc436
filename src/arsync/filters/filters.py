"""The filter rules of one run, as the command line gives them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import Enum

from arsync.config import NUL_SEPARATED
from arsync.filters.cvs import cvs_rules
from arsync.filters.lists import Entry, Reading, RuleList, Slot, flat, read_or_refuse, shown
from arsync.filters.rules import Cvs, Flags, Merge, Parsed, Rule, Style
from arsync.filters.syntax import parse_file, parse_old, parse_rule


class Side(Enum):
    """Whom a rule is asked for."""

    SENDER = "sender"
    RECEIVER = "receiver"


def read_file(path: bytes) -> bytes | None:
    """The content of a file, ``-`` being the standard input; None if there is none, OSError if it cannot be read."""
    if path == b"-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


class Filters:
    """All rules in their order. False where there are none: then nothing has to be asked."""

    __slots__ = ("_cvs", "_cvs_source", "entries", "reading")

    def __init__(self, *, delete_excluded: bool, from0: bool, cvs_source: Callable[[Cvs], list[Rule]]) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.reading = Reading(delete_excluded, from0, self._cvs_list)
        self._cvs: list[Rule] | None = None
        self._cvs_source = cvs_source

    def __bool__(self) -> bool:
        return bool(self.entries)

    @classmethod
    def parse(
        cls,
        options: Iterable[tuple[str, bytes]],
        *,
        delete_excluded: bool = False,
        from0: bool = False,
        read: Callable[[bytes], bytes | None] = read_file,
        home: bytes | None = None,
        cvsignore: bytes | None = None,
    ) -> Filters:
        """Read the options of the command line, in their order over all names.

        Names are "exclude", "include", "exclude-from", "include-from", "filter", "F" (once for each time it is
        given; the value is not looked at) and "cvs-exclude" (likewise), those with a value also with NUL_SEPARATED
        behind them. ``from0`` says the same of merge files in the tree. ``read`` returns a file's content; ``home``
        and ``cvsignore`` are the values of $HOME and $CVSIGNORE. Raises UsageError.
        """
        filters = cls(
            delete_excluded=delete_excluded,
            from0=from0,
            cvs_source=lambda mention: cvs_rules(mention, home, cvsignore, read),
        )
        rules = RuleList(filters.reading, read, set())
        cvs = False
        times_f = 0
        for name, value in options:
            if name == "cvs-exclude":
                cvs = True
                continue
            times_f += name == "F"
            rules.reading = filters.reading._replace(from0=name.endswith(NUL_SEPARATED))
            rules.add(_parsed(name.removesuffix(NUL_SEPARATED), value, times_f, rules.reading, read))
        rules.reading = filters.reading
        if cvs:  # wherever it stands: behind all that was said explicitly
            rules.add(parse_rule(text, "--cvs-exclude", delete_excluded=delete_excluded) for text in (b":C", b"-C"))
        filters.entries = tuple(rules.entries)
        return filters

    def concerns(self, side: Side) -> bool:
        """Whether any rule for names may ever hold on a side."""
        return any(isinstance(entry, Slot) for entry in self.entries) or any(
            getattr(rule, side.value) and not rule.xattr for rule in flat(self.entries)
        )

    def _cvs_list(self, mention: Cvs) -> list[Rule]:
        """One list for all that mention it, with the modifiers of the first."""
        if self._cvs is None:
            self._cvs = self._cvs_source(mention)
        return self._cvs


def _parsed(
    name: str, value: bytes, times_f: int, reading: Reading, read: Callable[[bytes], bytes | None]
) -> list[Parsed]:
    """What one option says."""
    where = f"--{name}={shown(value)}"
    if name == "F":
        if times_f == 1:
            return [parse_rule(b": /.rsync-filter", "-F")]
        return (
            [parse_old(b".rsync-filter", b"-", "-F", delete_excluded=reading.delete_excluded)] if times_f == 2 else []
        )
    if not value:
        return []
    if name == "filter":
        return [parse_rule(value, where, delete_excluded=reading.delete_excluded)]
    prefix = b"-" if name.startswith("exclude") else b"+"
    if name.endswith("-from"):
        merge = Merge(value, False, Flags(), Style(prefix, old=True))
        data = read_or_refuse(read, value)
        return parse_file(data, shown(value), merge, delete_excluded=reading.delete_excluded, from0=reading.from0)
    return [parse_old(value, prefix, where, delete_excluded=reading.delete_excluded)]
