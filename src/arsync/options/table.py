"""The shape of the option table: what an option is called, and what it changes among the fields of a run.

Options act in the order in which they are given, as rsync's do: ``-a --no-o`` keeps no owner, ``--no-o -a`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from arsync.config import CopyConfig

#: What counting up begins at.
_DEFAULTS: dict[str, Any] = CopyConfig._field_defaults

#: What the options have set so far: mostly fields of CopyConfig, by name.
Fields = dict[str, Any]


class Flag(NamedTuple):
    """An option without a value. ``sets`` gives fields; a ``+1`` string counts up, a tuple joins those before."""

    names: tuple[str, ...]
    sets: dict[str, Any]
    help: str
    section: str
    hidden: bool = False

    def act(self, fields: Fields, _text: str) -> None:
        """Change the fields."""
        for field, value in self.sets.items():
            if isinstance(value, tuple):
                value = (*fields.get(field, ()), value)
            fields[field] = fields.get(field, _DEFAULTS.get(field, 0)) + 1 if value == "+1" else value


class Value(NamedTuple):
    """An option with a value. ``take`` changes the fields; it raises ValueError that says what the value should be."""

    names: tuple[str, ...]
    metavar: str
    take: Callable[[Fields, str], None]
    help: str
    section: str
    hidden: bool = False
    optional: bool = False  # it may stand without its value, which is then ""

    def act(self, fields: Fields, text: str) -> None:
        """Change the fields."""
        self.take(fields, text)


Row = Flag | Value

SELECTING, COMPARING, DELETING, LINKS, PRESERVING, WRITING, SHOWING, OWN, WITHOUT_EFFECT = (
    "What is copied",
    "What counts as unchanged",
    "What is deleted",
    "Symlinks",
    "What is kept of each file",
    "How files are written",
    "What is shown",
    "arsync's own",
    "Accepted without effect on one machine",
)
