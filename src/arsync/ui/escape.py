"""Names as rsync shows them: what a terminal must not get is written as ``\\#ooo``.

Two kinds of characters that rsync shows are written so as well: control characters of the upper half (C1, of which one
begins a command to a terminal), and Unicode's line and paragraph separators, at which some readers end a line.
"""

from __future__ import annotations

import re

#: Control characters, except that rsync leaves tab and DEL alone; and a backslash that would read as an escape.
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f]|\\(?=#[0-9]{3})")
_HIGH = re.compile(rb"[\x80-\xff]+")
#: U+0080 to U+009F, U+2028 and U+2029 in UTF-8.
_UPPER = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


def _octal(match: re.Match[bytes]) -> bytes:
    return b"".join(b"\\#%03o" % byte for byte in match.group())


def _invalid(match: re.Match[bytes]) -> bytes:
    """Keep what is valid UTF-8 of a run of high bytes, and no control character."""
    text = match.group().decode("utf-8", "surrogateescape")
    shown = b"".join(
        b"\\#%03o" % (ord(char) & 0xFF) if "\udc80" <= char <= "\udcff" else char.encode() for char in text
    )
    return _UPPER.sub(_octal, shown)


def escape(name: bytes) -> bytes:
    """The name, safe to print on one line.

    >>> escape(b"a\\nb"), escape(b"\\xff")
    (b'a\\\\#012b', b'\\\\#377')
    """
    if name.isalnum():  # by far the most names: nothing to look for
        return name
    name = _UNSAFE.sub(_octal, name)
    return name if name.isascii() else _HIGH.sub(_invalid, name)


def escape_for_log(name: bytes) -> bytes:
    """The same for log files: what is not ASCII stays as it is, unless it is such a character.

    >>> escape_for_log(b"a\\nb\\xff\\xc2\\x85")
    b'a\\\\#012b\\xff\\\\#302\\\\#205'
    """
    name = escape_controls(name)
    return name if name.isascii() else _UPPER.sub(_octal, name)


def escape_controls(name: bytes) -> bytes:
    """The same for -8: what is not ASCII stays as it is, in whatever encoding it may be.

    >>> escape_controls(b"a\\nb\\xff")
    b'a\\\\#012b\\xff'
    """
    return name if name.isalnum() else _UNSAFE.sub(_octal, name)
