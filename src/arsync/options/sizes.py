"""Sizes and rates as rsync writes them: ``512K``, ``1m``, ``1.5G``, ``2MB``, ``1MiB+1``."""

from __future__ import annotations

import re

#: Compiled where there is one to be read, since most runs have none.
_SIZE = r"(?i)^(\d+(?:\.\d*)?)(?:([bkmgtp])(i?b)?)?([+-]1)?$"
#: More than what any size has; a float would not take them all.
_DIGITS = 300
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str, unit: str = "b") -> int:
    """Bytes. K, M, G are powers of 1024, as are KiB and so on; KB and so on are powers of 1000 (``man rsync``).

    ``unit``: what a number without a unit counts.

    >>> parse_size("1M"), parse_size("1.5k"), parse_size("2KB")
    (1048576, 1536, 2000)
    """
    match = re.match(_SIZE, text)
    if match is None:
        raise ValueError("is not a size; write a number with K, M or G behind it, as in 512K")
    number, given, suffix, offset = match.groups()
    if len(number) > _DIGITS:
        raise ValueError("is too large")
    base = 1000 if suffix and suffix.lower() == "b" else 1024
    return int(float(number) * base ** _POWERS[(given or unit).lower()]) + int(offset or 0)


def parse_rate(text: str) -> int:
    """Bytes a second, from a number of KiB, or of what is written behind it; 0 is no limit (``man rsync``).

    >>> parse_rate("100"), parse_rate("1.5m"), parse_rate("0")
    (102400, 1572864, 0)
    """
    rate = parse_size(text, "k")
    if 0 < rate < 512:
        raise ValueError("is too small: 512 bytes a second is the least")
    return (rate + 512) // 1024 * 1024
