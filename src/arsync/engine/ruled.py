"""What --debug=filter tells: which rule leaves a name of the source out, or lets it in although others would not."""

from __future__ import annotations

from collections.abc import Iterator

from arsync.engine.listing import Found
from arsync.events import HIDDEN, SHOWN, Item, Kind
from arsync.filters import Scope


def ruled(scope: Scope, prefix: bytes, found: Found) -> Iterator[Item]:
    """The rules that decide about what was found in a directory, whose path with a slash behind it is ``prefix``."""
    for directory, names in ((False, found.files), (True, found.directories)):
        for name in names:
            yield from ruled_name(scope, prefix, name, directory)


def ruled_name(scope: Scope, prefix: bytes, name: bytes, directory: bool) -> Iterator[Item]:
    """The rule that decides about one name, if any does."""
    rule = scope.ruling(name, directory)
    if rule is not None:
        text = rule.pattern.text + (b" [" + rule.origin + b"]" if rule.origin else b"")
        yield Item(prefix + name, Kind.DIRECTORY if directory else Kind.FILE, HIDDEN if rule.exclude else SHOWN, text)
