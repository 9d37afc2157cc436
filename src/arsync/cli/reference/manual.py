"""The manual page, ``man arsync``."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

from arsync import __version__
from arsync.cli.reference import prose
from arsync.cli.reference.exits import MEANING
from arsync.cli.reference.more import MORE
from arsync.cli.reference.roff import section, sentences, tagged
from arsync.cli.reference.rows import every_row, sections
from arsync.options.refused import REASONS
from arsync.options.table import WITHOUT_EFFECT, Row, Value


def lines() -> Iterator[str]:
    """The lines of the page."""
    yield ".\\\" Made from the program's own table: python -m arsync.cli.reference --man"
    yield f'.TH ARSYNC 1 {_date()} "arsync {__version__}" "User Commands"'
    yield from (".SH NAME", "arsync \\- copy file trees on one machine as rsync does, on every CPU")
    yield from (".SH SYNOPSIS", ".SY arsync", "[\\fIOPTION\\fR]...", "\\fISRC\\fR... \\fIDEST\\fR", ".YS")
    yield from (".SY arsync", "[\\fIOPTION\\fR]...", "\\fISRC\\fR", ".YS")
    yield from section("DESCRIPTION", prose.DESCRIPTION)
    yield from section("OPTIONS", prose.OPTIONS)
    yield from _options()
    yield from section("FILTER RULES", prose.FILTER_RULES)
    yield ".SH EXIT STATUS"
    for code, text in MEANING.items():
        yield from tagged(f"`{code.value}`", text)
    yield from section("ENVIRONMENT", prose.ENVIRONMENT)
    yield from section("FILES", prose.FILES)
    yield from section("EXAMPLES", prose.EXAMPLES)
    yield from section("SEE ALSO", prose.SEE_ALSO)


def _date() -> str:
    """The day it is made, or the one that SOURCE_DATE_EPOCH gives so that the same source gives the same page."""
    return time.strftime("%Y-%m-%d", time.gmtime(float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))


def _options() -> Iterator[str]:
    for name, rows in sections().items():
        yield f".SS {name}"
        for row in rows:
            yield from tagged(_names(row), _sentence(row.help))
            if row.names[0] in MORE:
                yield from (".IP", *sentences(MORE[row.names[0]]))
    yield ".SS Turning off"
    yield from tagged("`--no-`*OPTION*", "Turn an option off that another implied, as in `-a --no-o`.")
    names = (f"`{name}`" for row in every_row() if row.section == WITHOUT_EFFECT for name in row.names)
    yield from section(WITHOUT_EFFECT, ", ".join(names) + ".", ".SS")
    reasons: dict[str, list[str]] = {}
    for name, reason in REASONS.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    refused = (f"{', '.join(names)}: {reason}." for reason, names in reasons.items())
    yield from section("Refused", "\n\n".join(refused), ".SS")


def _names(row: Row) -> str:
    """The names as they are typed, short ones first."""
    found = []
    for name in sorted(row.names, key=lambda name: name.startswith("--")):
        value = ""
        if isinstance(row, Value):
            value = f"`=`*{row.metavar}*" if name.startswith("--") else f" *{row.metavar}*"
            if row.optional:
                value = f"[{value}]"
        found.append(f"`{name}`{value}")
    return ", ".join(found)


def _sentence(text: str) -> str:
    """A line of help as a sentence, with the options and arguments that it names marked."""
    first, _, rest = text.partition(" ")
    if first.isalpha():  # a word, and not the value of an option
        text = f"{first[0].upper()}{first[1:]} {rest}".strip()
    text = re.sub(r"(?<![\w-])--?[A-Za-z][\w-]*(=\w+)?", r"`\g<0>`", text)
    return re.sub(r"(?<![\w`=])(DEST|DIR|SRC|FILE|N)\b", r"*\1*", text) + "."
