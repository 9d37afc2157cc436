"""When a run is to stop: ``--stop-at`` and ``--stop-after`` as rsync writes them, as seconds of ``time.time()``."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

_DATE = re.compile(r"^(?:(?:(\d{4}|\d{2})([-/]))?(\d{1,2})[-/])?(\d{1,2})$")
_CLOCK = re.compile(r"^(\d{1,2})?:(\d{1,2})$")

#: Steps that are tried to find the next moment: a day of a month that few months have is found well within these.
_TRIES = 100

_MINUTE = 60


def parse_stop_after(text: str, now: float) -> float:
    """The end of so many whole minutes from ``now``.

    >>> parse_stop_after("2", 1000.0)
    1120.0
    """
    match = re.match(r"\s*\+?([0-9]+)", text)
    if match is None or not 0 < int(match[1]) < 1 << 31:
        raise ValueError("is not a number of minutes")
    return now + int(match[1]) * _MINUTE


def parse_stop_at(text: str, now: float) -> float:
    """The next moment after ``now`` that fits ``[[[y-]m-]d][Th:m]``, ``h:m`` or ``:m`` in the local time zone; what is
    left out on the left is whatever comes next, what is left out on the right is the beginning.

    >>> then = time.mktime((2020, 5, 31, 13, 59, 0, 0, 0, -1))
    >>> time.localtime(parse_stop_at("14:00", then))[:5], time.localtime(parse_stop_at("30", then))[:5]
    ((2020, 5, 31, 14, 0), (2020, 6, 30, 0, 0))
    """
    date, mark, clock = text.partition("T")
    if not mark and ":" in text:
        date, clock = "", text
    if not date and not clock:
        raise ValueError(_BAD)
    year, month, day = _date(date)
    hour, minute = _time(clock, 0 if date else -1)
    if year >= 0:
        moments: Iterator[float] = iter([_moment(year, month, day, max(hour, 0), minute)])
    else:
        moments = _candidates(time.localtime(now), month, day, hour, minute)
    for moment in moments:
        if moment > now:
            return moment
    raise ValueError("is not in the future")


_BAD = "is not a time; write y-m-dTh:m, or a part of it, as in 12-31T23:59 or 14:00"


def _date(text: str) -> tuple[int, int, int]:
    """Year, month, day; -1 for what was left out."""
    if not text:
        return -1, -1, -1
    match = _DATE.match(text)
    if match is None:
        raise ValueError(_BAD)
    year = -1 if match[1] is None else int(match[1]) + (2000 if len(match[1]) == 2 else 0)
    month = -1 if match[3] is None else int(match[3])
    day = int(match[4])
    if not 1 <= day <= 31 or month == 0 or month > 12:
        raise ValueError(_BAD)
    return year, month, day


def _time(text: str, hour: int) -> tuple[int, int]:
    """Hour and minute; ``hour`` where it was left out."""
    if not text:
        return 0, 0
    match = _CLOCK.match(text)
    if match is None:
        raise ValueError(_BAD)
    hour = hour if match[1] is None else int(match[1])
    minute = int(match[2])
    if hour > 23 or minute > 59:
        raise ValueError(_BAD)
    return hour, minute


def _candidates(now: time.struct_time, month: int, day: int, hour: int, minute: int) -> Iterator[float]:
    """Moments that fit, from the current hour, day, month or year on, whichever was left out."""
    for step in range(_TRIES):
        if day < 0 and hour < 0:
            yield _moment(now.tm_year, now.tm_mon, now.tm_mday, now.tm_hour + step, minute)
        elif day < 0:
            yield _moment(now.tm_year, now.tm_mon, now.tm_mday + step, hour, minute)
        else:
            years, index = (step, month - 1) if month > 0 else divmod(now.tm_mon - 1 + step, 12)
            moment = _moment(now.tm_year + years, index + 1, day, max(hour, 0), minute)
            if time.localtime(moment).tm_mday == day:  # a month that has this day
                yield moment


def _moment(year: int, month: int, day: int, hour: int, minute: int) -> float:
    try:
        return time.mktime((year, month, day, hour, minute, 0, 0, 0, -1))
    except (OverflowError, ValueError):
        raise ValueError(_BAD) from None
