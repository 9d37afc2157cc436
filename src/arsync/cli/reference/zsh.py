"""zsh's completion."""

from __future__ import annotations

from collections.abc import Iterator

from arsync.cli.reference.completes import Completion, Kind, completion
from arsync.cli.reference.rows import hidden, may_repeat, visible
from arsync.options.table import Row, Value

_HEAD = """\
#compdef arsync
# zsh completion for arsync. Made from the program's own table: python -m arsync.cli.reference --zsh

_arsync_owner() {
  if compset -P '*:'; then
    _groups
  else
    _users -S : -q
  fi
}
"""

_TAIL = """
  # Known wherever they stand, but offered only to those who begin one.
  [[ $words[CURRENT] == --no-* ]] || negations=('!'$^negations)

  _arguments -s -S : $options $negations $ignored '*:source or destination:_files'
}

_arsync "$@"
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    return "".join("\\" + letter if letter in "[]:\\" else letter for letter in text)


def _action(known: Completion, name: str) -> str:
    if known.kind is Kind.ONE:
        return f"({' '.join(word for word, _ in known.words)})"
    if known.kind is Kind.LIST:
        return f"_arsync_{name.lstrip('-')}"
    return {Kind.FILE: "_files", Kind.DIRECTORY: "_files -/", Kind.OWNER: "_arsync_owner"}.get(known.kind, " ")


def _specs(row: Row, *, told: bool = True) -> Iterator[str]:
    """One line for each name of an option."""
    once = "" if may_repeat(row) or len(row.names) == 1 else f"({' '.join(row.names)})"
    repeated = "*" if may_repeat(row) else ""
    for name in row.names:
        text = f"[{_escaped(row.help)}]" if told else ""
        if isinstance(row, Value):
            sign = "=-" if row.optional else "=" if name.startswith("--") else "+"
            between = "::" if row.optional else ":"
            action = _action(completion(row), row.names[0])
            yield _quoted(f"{once}{repeated}{name}{sign}{text}{between}{_escaped(row.metavar.lower())}:{action}")
        else:
            yield _quoted(f"{once}{repeated}{name}{text}")


def _array(name: str, rows: list[Row], *, told: bool = True) -> Iterator[str]:
    yield f"  {name}=("
    for row in rows:
        yield from (f"    {spec}" for spec in _specs(row, told=told))
    yield "  )"


def lines() -> Iterator[str]:
    """The lines of the file."""
    yield from _HEAD.splitlines()
    for row in visible():
        if isinstance(row, Value) and (known := completion(row)).kind is Kind.LIST:
            yield ""
            yield f"_arsync_{row.names[0].lstrip('-')}() {{"
            yield "  _values -s , flag \\"
            yield " \\\n".join(f"    {_quoted(f'{word}[{_escaped(text)}]')}" for word, text in known.words)
            yield "}"
    yield from ("", "_arsync() {", "  local -a options negations ignored")
    yield from _array("options", visible())
    negated = [row for row in hidden() if row.names[0].startswith("--no-")]
    yield from _array("negations", negated, told=False)
    yield from _array("ignored", [row for row in hidden() if row not in negated], told=False)
    yield "  [[ $words[CURRENT] == --[^n]?* ]] || ignored=('!'$^ignored)"
    yield from _TAIL.splitlines()
