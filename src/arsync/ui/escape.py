"""Names as rsync shows them: what a terminal must not get is written as ``\\#ooo``."""

from __future__ import annotations

import re

#: Control characters, except that rsync leaves tab and DEL alone; and a backslash that would read as an escape.
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f]|\\(?=#[0-9]{3})")
_HIGH = re.compile(rb"[\x80-\xff]+")


def _octal(match: re.Match[bytes]) -> bytes:
    return b"".join(b"\\#%03o" % byte for byte in match.group())


def _invalid(match: re.Match[bytes]) -> bytes:
    """Keep what is valid UTF-8 of a run of high bytes."""
    text = match.group().decode("utf-8", "surrogateescape")
    return b"".join(b"\\#%03o" % (ord(char) & 0xFF) if "\udc80" <= char <= "\udcff" else char.encode() for char in text)


def escape(name: bytes) -> bytes:
    """The name, safe to print on one line.

    >>> escape(b"a\\nb"), escape(b"\\xff")
    (b'a\\\\#012b', b'\\\\#377')
    """
    if name.isalnum():  # by far the most names: nothing to look for
        return name
    name = _UNSAFE.sub(_octal, name)
    return name if name.isascii() else _HIGH.sub(_invalid, name)


def escape_controls(name: bytes) -> bytes:
    """The same for -8 and for log files: what is not ASCII stays as it is.

    >>> escape_controls(b"a\\nb\\xff")
    b'a\\\\#012b\\xff'
    """
    return name if name.isalnum() else _UNSAFE.sub(_octal, name)
