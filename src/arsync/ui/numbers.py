"""Numbers as -h, -hh and --no-h have them."""

from __future__ import annotations

_UNITS = "KMGTP"


def number(value: int, human: int) -> str:
    """A count or a size. ``human``: 0 plain digits; 1 digits in groups; 2 units of 1000; 3 units of 1024.

    >>> [number(1234567, human) for human in range(4)]
    ['1234567', '1,234,567', '1.23M', '1.18M']
    """
    if human > 1 and (short := _in_units(value, human)) is not None:
        return short
    return f"{value:,}" if human else str(value)


def fraction(value: float, human: int) -> str:
    """A number with two digits behind the point.

    >>> [fraction(12345.678, human) for human in range(4)]
    ['12345.68', '12,345.68', '12.35K', '12.06K']
    """
    if human > 1 and (short := _in_units(value, human)) is not None:
        return short
    return f"{value:,.2f}" if human else f"{value:.2f}"


def _in_units(value: float, human: int) -> str | None:
    """With a unit; None where it is smaller than the first."""
    base = 1000 if human == 2 else 1024
    if abs(value) < base:
        return None
    for unit in _UNITS:
        value /= base
        if abs(value) < base or unit == _UNITS[-1]:
            break
    return f"{value:.2f}{unit}"
