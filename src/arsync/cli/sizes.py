"""Sizes as rsync writes them: ``512K``, ``1m``, ``1.5G``, ``2MB``, ``1MiB+1``."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(?i)^(\d+(?:\.\d*)?)(?:([bkmgtp])(i?b)?)?([+-]1)?$")
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int:
    """Bytes. K, M, G are powers of 1024, as are KiB and so on; KB and so on are powers of 1000 (``man rsync``).

    >>> parse_size("1M"), parse_size("1.5k"), parse_size("2KB")
    (1048576, 1536, 2000)
    """
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write a number with K, M or G behind it, as in 512K")
    number, unit, suffix, offset = match.groups()
    base = 1000 if suffix and suffix.lower() == "b" else 1024
    return int(float(number) * base ** _POWERS[(unit or "b").lower()]) + int(offset or 0)
