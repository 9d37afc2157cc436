"""fish's completion."""

from __future__ import annotations

from collections.abc import Iterator

from arsync.cli.reference.completes import Completion, Kind, completion
from arsync.cli.reference.rows import hidden, visible
from arsync.options.table import Row, Value

_HEAD = """\
# fish completion for arsync. Made from the program's own table: python -m arsync.cli.reference --fish

function __arsync_owner
    set -l typed (commandline -ct | string replace -r -- '^--.*?=' '')
    if string match -q -- '*:*' $typed
        set -l user (string replace -r ':.*' '' -- $typed)
        printf '%s\\n' $user:(__fish_complete_groups)
    else
        __fish_complete_users | string replace -r '(\\t|$)' ':$1'
    end
end
"""

#: Negations are offered to those who begin one, what has no effect here to those who begin with two letters of it.
_ASKED_FOR = "string match -qr -- '^--(no-|[^n-][^-])' (commandline -ct)"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _value(known: Completion, name: str) -> str:
    if known.kind is Kind.FILE:
        return " -r -F"
    if known.kind is Kind.DIRECTORY:
        return " -x -a '(__fish_complete_directories)'"
    if known.kind is Kind.ONE:
        return f" -x -a {_quoted(' '.join(word for word, _ in known.words))}"
    if known.kind is Kind.LIST:
        return f" -x -a '(__arsync_{name.lstrip('-')})'"
    return " -x -a '(__arsync_owner)'" if known.kind is Kind.OWNER else " -x"


def _names(row: Row) -> str:
    return "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in row.names)


def lines() -> Iterator[str]:
    """The lines of the file."""
    yield from _HEAD.splitlines()
    for row in visible():
        if isinstance(row, Value) and (known := completion(row)).kind is Kind.LIST:
            yield ""
            yield f"function __arsync_{row.names[0].lstrip('-')}"
            words = " \\\n        ".join(f"{word}\\t{_quoted(text)}" for word, text in known.words)
            yield f"    __fish_append , {words}"
            yield "end"
    yield ""
    for row in visible():
        needs_value = isinstance(row, Value) and not row.optional
        value = _value(completion(row), row.names[0]) if isinstance(row, Value) and needs_value else ""
        yield f"complete -c arsync{_names(row)}{value} -d {_quoted(row.help)}"
    yield ""
    for row in hidden():
        long = next((name for name in row.names if name.startswith("--")), None)
        if long is not None:
            value = " -x" if isinstance(row, Value) else ""
            yield f"complete -c arsync -n {_quoted(_ASKED_FOR)} -l {long[2:]}{value}"
