"""What can stand as the value of an option."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from arsync import levels
from arsync.config import CopyMethod
from arsync.options.table import Value
from arsync.options.take import CHECKSUMS


class Kind(Enum):
    """How a shell completes a value."""

    NOTHING = auto()  # a number, a time, a rule: whoever types it knows it
    FILE = auto()
    DIRECTORY = auto()
    ONE = auto()  # one of the words
    LIST = auto()  # words with commas between them
    OWNER = auto()  # USER:GROUP


class Completion(NamedTuple):
    """``words``: each with what it means, which may be empty."""

    kind: Kind
    words: tuple[tuple[str, str], ...] = ()


_ALL = (("all", "Set all"), ("none", "Silence all"))

_BY_METAVAR = {
    "FILE": Completion(Kind.FILE),
    "PATTERN": Completion(Kind.FILE),  # most patterns are the name of something that is there
    "DIR": Completion(Kind.DIRECTORY),
    "USER:GROUP": Completion(Kind.OWNER),
}


def _one(words: Iterable[str]) -> Completion:
    return Completion(Kind.ONE, tuple((word, "") for word in words))


def _leveled(flags: dict[str, str]) -> list[tuple[str, str]]:
    """Each flag, and each of its levels that says more than the first."""
    words = []
    for name, text in flags.items():
        most = max((int(level) for level in re.findall(r"(?:levels 1-|\b)(\d)\)", text)), default=1)
        words += [(name, text), *((f"{name}{level}", text) for level in range(2, most + 1))]
    return words


_BY_NAME = {
    "--info": Completion(Kind.LIST, (*_leveled(levels.INFO), *_ALL)),
    "--debug": Completion(Kind.LIST, (*levels.DEBUG_ACTS.items(), *_ALL)),
    "--copy-method": _one(member.value for member in CopyMethod),
    "--checksum-choice": _one(sorted(CHECKSUMS)),
    "--stderr": _one(("errors", "all", "client")),
}


def completion(row: Value) -> Completion:
    """What completes the value of ``row``."""
    known = _BY_NAME.get(row.names[0]) or _BY_METAVAR.get(row.metavar)
    if known is None and "|" in row.metavar:
        return _one(row.metavar.split("|"))
    return known or Completion(Kind.NOTHING)
