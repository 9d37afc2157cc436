"""Writing a manual page in man(7), from plain text in which `bold` and *italic* are marked."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator

#: What roff would show as another character than the one that has to be typed.
_LOOKS = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}

_MARKED = re.compile(r"`([^`]+)`|\*(\w[^*]*)\*")


def literal(text: str) -> str:
    r"""Text to be shown as it is.

    >>> literal("-a 'x~'")
    '\\-a \\(aqx\\(ti\\(aq'
    """
    return "".join(_LOOKS.get(letter, letter) for letter in text)


def inline(text: str) -> str:
    """A line of prose. What is marked as bold is literal."""
    parts, end = [], 0
    for found in _MARKED.finditer(text):
        parts.append(_prose(text[end : found.start()]))
        parts.append(f"\\fB{literal(found[1])}\\fR" if found[1] else f"\\fI{literal(found[2])}\\fR")
        end = found.end()
    return "".join([*parts, _prose(text[end:])])


def _prose(text: str) -> str:
    """In prose a hyphen may stay one, and an apostrophe is a quotation mark."""
    return re.sub(r"(?<!\w)-|-(?!\w)|[\\^~]", lambda found: _LOOKS[found[0]], text)


def _guarded(line: str) -> str:
    """A line of text that begins as a request does is none."""
    return "\\&" + line if line[:1] in (".", "'") else line


def sentences(text: str) -> Iterator[str]:
    """The lines of a text. Each sentence begins a new one: roff wants to see where they end."""
    for sentence in re.split(r"(?<=[.:;]) +(?=[A-Z`])", " ".join(text.split())):
        for line in textwrap.wrap(inline(sentence), 79, break_long_words=False, break_on_hyphens=False):
            yield _guarded(line)


def tagged(tag: str, text: str) -> Iterator[str]:
    """An entry of a list, ``tag`` marked as text is."""
    yield from (".TP", _guarded(inline(tag)), *sentences(text))


def example(commands: Iterable[str]) -> Iterator[str]:
    """Lines that are shown as they are typed."""
    yield from (".PP", ".RS 4", ".EX", *(_guarded(literal(command)) for command in commands), ".EE", ".RE")


def section(heading: str, text: str, request: str = ".SH") -> Iterator[str]:
    """A section of paragraphs with blank lines between them.

    A paragraph that is indented is an example; one of which all but the first line is indented is an entry of a list.
    """
    yield f"{request} {inline(heading)}"
    for number, block in enumerate(re.split(r"\n\s*\n", text.strip("\n"))):
        first, *rest = block.split("\n")
        if first.startswith("    "):
            yield from example(textwrap.dedent(block).split("\n"))
        elif rest and rest[0].startswith("    "):
            yield from tagged(first, " ".join(rest))
        else:
            yield from (".PP",) if number else ()
            yield from sentences(block)
