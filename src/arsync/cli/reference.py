"""The options as a page of the documentation: ``python -m arsync.cli.reference > docs/options.md``."""

from __future__ import annotations

from collections.abc import Iterator

from arsync.cli.options import every_option, rows
from arsync.cli.refused import REASONS
from arsync.cli.table import WITHOUT_EFFECT, Row, Value

_HEAD = """# Options

Options act in the order in which they are given, as rsync's do, and have rsync's meaning: what `man rsync` says of an
option holds here, except where [differences](differences.md) says otherwise. Most have a `--no-OPTION` that turns them
off again. This page is made from the program's own table.
"""


def _names(row: Row) -> str:
    value = f"={row.metavar}" if isinstance(row, Value) else ""
    if isinstance(row, Value) and row.optional:
        value = f"[{value}]"
    names = ", ".join(f"`{name}{value if name.startswith('--') else ''}`" for name in row.names)
    return names.replace("|", "\\|")


def page() -> Iterator[str]:
    """The lines of the page."""
    yield from _HEAD.splitlines()
    sections: dict[str, list[Row]] = {}
    for option in every_option():
        if not option.row.hidden:
            sections.setdefault(option.row.section, []).append(option.row)
    for section, found in sections.items():
        yield from ("", f"## {section}", "", "| option | |", "|---|---|")
        for row in found:
            text = row.help.replace("|", "\\|")
            yield f"| {_names(row)} | {text} |"
    yield from ("", f"## {WITHOUT_EFFECT}", "")
    ignored = {id(row): row for row in rows().values() if row.section == WITHOUT_EFFECT}
    yield ", ".join(_names(row) for row in ignored.values()) + "."
    yield from ("", "## Refused", "")
    reasons: dict[str, list[str]] = {}
    for name, reason in REASONS.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    for reason, names in reasons.items():
        yield f"- {', '.join(names)}: {reason}."


if __name__ == "__main__":
    print("\n".join(page()))
