"""The options as a page of the documentation: ``python -m arsync.cli.reference > docs/options.md``."""

from __future__ import annotations

from collections.abc import Iterator

from arsync.cli.reference.rows import every_row, sections
from arsync.options.refused import REASONS
from arsync.options.table import WITHOUT_EFFECT, Row, Value

_HEAD = """# Options

Options act in the order in which they are given, as with rsync, and mean the same: what `man rsync` says about an
option holds here, unless [differences](differences.md) says otherwise. Most options have a `--no-OPTION` that turns
them off again. This page is generated from the program's option table.
"""


def _names(row: Row) -> str:
    value = f"={row.metavar}" if isinstance(row, Value) else ""
    if isinstance(row, Value) and row.optional:
        value = f"[{value}]"
    text = ", ".join(f"`{name}{value if name.startswith('--') else ''}`" for name in row.names)
    return text.replace("|", "\\|")


def page() -> Iterator[str]:
    """The lines of the page."""
    yield from _HEAD.splitlines()
    for section, found in sections().items():
        yield from ("", f"## {section}", "", "| option | |", "|---|---|")
        for row in found:
            text = row.help.replace("|", "\\|")
            yield f"| {_names(row)} | {text} |"
    yield from ("", f"## {WITHOUT_EFFECT}", "")
    yield ", ".join(_names(row) for row in every_row() if row.section == WITHOUT_EFFECT) + "."
    yield from ("", "## Refused", "")
    reasons: dict[str, list[str]] = {}
    for name, reason in REASONS.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    for reason, names in reasons.items():
        yield f"- {', '.join(names)}: {reason}."
