"""Numbers, sizes and rates as rsync writes them: ``0x10``; ``512K``, ``1m``, ``1.5G``, ``2MB``, ``1MiB+1``."""

from __future__ import annotations

import re

#: Compiled where there is one to be read, since most runs have none.
_NUMBER = r"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))"
_SIZE = r"(?i)(?![+-])([0-9]*(?:\.[0-9]*)?)(?:([bkmgtp])(i?b)?)?([+-]1)?"
#: What rsync's numbers are between.
INT_MIN, INT_MAX = -(1 << 31), (1 << 31) - 1

#: More than what any size has; a float would not take them all.
_DIGITS = 300
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_number(text: str, low: int = INT_MIN, high: int = INT_MAX) -> int:
    """A whole number as strtol(3) reads it, in base 16 behind ``0x``, in base 8 behind ``0``; nothing at all is 0.

    >>> parse_number("10"), parse_number("-0x10"), parse_number("010"), parse_number("")
    (10, -16, 8, 0)
    """
    match = re.fullmatch(_NUMBER, text or "0")
    if match is None:
        raise ValueError(f"is not a number; write one between {low} and {high}")
    if len(text) > _DIGITS:
        raise ValueError("is too large")
    sign, hexadecimal, octal, decimal = match.groups()
    digits, base = (hexadecimal, 16) if hexadecimal else (octal, 8) if octal else (decimal, 10)
    number = int(sign + digits, base)
    if not low <= number <= high:
        raise ValueError(f"is not between {low} and {high}")
    return number


def parse_size(text: str, unit: str = "b") -> int:
    """Bytes. K, M, G are powers of 1024, as are KiB and so on; KB and so on are powers of 1000 (``man rsync``). Nothing
    at all is 0.

    ``unit``: what a number without a unit counts.

    >>> parse_size("1M"), parse_size(".5k"), parse_size("2KB"), parse_size("")
    (1048576, 512, 2000, 0)
    """
    match = re.fullmatch(_SIZE, text)
    if match is None:
        raise ValueError("is not a size; write a number with K, M or G behind it, as in 512K")
    number, given, suffix, offset = match.groups()
    if len(number) > _DIGITS:
        raise ValueError("is too large")
    base = 1000 if suffix and suffix.lower() == "b" else 1024
    return int(float(number if number.strip(".") else 0) * base ** _POWERS[(given or unit).lower()]) + int(offset or 0)


def parse_rate(text: str) -> int:
    """Bytes a second, from a number of KiB, or of what is written behind it; 0 is no limit (``man rsync``).

    >>> parse_rate("100"), parse_rate("1.5m"), parse_rate("0")
    (102400, 1572864, 0)
    """
    rate = parse_size(text, "k")
    if 0 < rate < 512:
        raise ValueError("is too small: 512 bytes a second is the least")
    return (rate + 512) // 1024 * 1024
