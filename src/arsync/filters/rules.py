"""What one filter rule says."""

from __future__ import annotations

from typing import NamedTuple

from arsync.filters.pattern import Pattern


class Flags(NamedTuple):
    """The modifiers of a rule. Those of a merge rule are the defaults of the rules in its file."""

    sender: bool = False
    receiver: bool = False
    absolute: bool = False
    negated: bool = False
    perishable: bool = False
    xattr: bool = False

    @property
    def sided(self) -> bool:
        """Whether the sides were said."""
        return self.sender or self.receiver


#: No modifier at all.
PLAIN = Flags()


class Style(NamedTuple):
    """How a merge file is read."""

    prefix: bytes = b""  # every line is a pattern of an exclude "-" or of an include "+"
    old: bool = False  # ... unless it begins with "- " or "+ ", or is "!": the files of --exclude-from
    words: bool = False  # rules are separated by any white space, and there are no comments
    clears: bool = False  # "!" clears although all else is a pattern: .cvsignore


class Rule:
    """An include or exclude rule. Two rules are never equal: each has its own place in a list."""

    __slots__ = (
        "absolute",
        "exclude",
        "negated",
        "origin",
        "pattern",
        "perishable",
        "receiver",
        "rooted",
        "sender",
        "xattr",
    )

    def __init__(self, exclude: bool, flags: Flags, text: bytes, *, rooted: bool) -> None:
        self.exclude = exclude
        self.pattern = Pattern(text)
        self.sender = flags.sender or not flags.receiver
        self.receiver = flags.receiver or not flags.sender
        self.absolute = flags.absolute
        self.negated = flags.negated
        self.perishable = flags.perishable
        self.xattr = flags.xattr
        self.rooted = rooted  # anchored at the transfer's root although it holds in a directory only
        self.origin = b""  # where it comes from, for people; empty: the command line, or a file that it names

    @property
    def about_attributes(self) -> bytes:
        """A rule about extended attributes as it can be written down elsewhere: where it stands means nothing to it."""
        return (b"-" if self.exclude else b"+") + (b"!x " if self.negated else b"x ") + self.pattern.text


class Merge(NamedTuple):
    """A merge rule; ``per_directory``: its file is looked for in every directory."""

    path: bytes
    per_directory: bool
    flags: Flags = PLAIN
    style: Style = Style()
    inherited: bool = True
    excluded: bool = False  # the file itself

    @property
    def name(self) -> bytes:
        """The file's own name."""
        return self.path.rpartition(b"/")[2]


class Clear(NamedTuple):
    """Forgets all rules before it."""


class Cvs(NamedTuple):
    """Stands for the rules of --cvs-exclude, without those of .cvsignore files in the tree."""

    exclude: bool
    flags: Flags


Parsed = Rule | Merge | Clear | Cvs
