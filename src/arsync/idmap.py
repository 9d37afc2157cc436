"""``--usermap`` and ``--groupmap``: whose a copy is, from whose the source is (``man rsync``).

>>> rules = parse_map("0-99:7,*:8")
>>> translation = translate(rules, str, int)
>>> translation(5), translation(100)
(7, 8)
"""

from __future__ import annotations

import grp
import pwd
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import NamedTuple

#: The highest id that can be set: the next one means "leave it" to chown(2).
_HIGHEST = (1 << 32) - 2

Translation = Callable[[int], int]

_WILD = re.compile(r"[*?\[]")


class Rule(NamedTuple):
    """One ``FROM:TO``. FROM is a range of ids, or a pattern that a name must match (an empty one: no name)."""

    low: int  # -1: it is a pattern
    high: int
    pattern: str
    to: str


def parse_map(text: str) -> tuple[Rule, ...]:
    """The rules of one option's value. Raises ValueError that says what is wrong."""
    return tuple(_rule(pair) for pair in text.split(","))


def _rule(pair: str) -> Rule:
    before, colon, to = pair.partition(":")
    if not colon:
        raise ValueError(f"is not a list of FROM:TO: {pair!r} has no colon")
    if not to:
        raise ValueError(f"has no name behind the colon of {pair!r}")
    if to.isdecimal():
        _id(to)
    if not before[:1].isdigit():
        return Rule(-1, -1, before, to)
    match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", before)
    if match is None:
        raise ValueError(f"has an invalid number, {before!r}")
    low = _id(match[1])
    return Rule(low, _id(match[2] or "") or low, "", to)  # a range to 0 is no range


def _id(digits: str) -> int:
    number = int(digits or "0")
    if number > _HIGHEST:
        raise ValueError(f"has {digits}, which is no possible id")
    return number


def translate(
    rules: tuple[Rule, ...], name_of: Callable[[int], str], id_of: Callable[[str], int | None]
) -> Translation:
    """A function from an id to what the first rule that matches makes of it.

    ``name_of`` gives the name of an id, empty where it has none; ``id_of`` the id of a name.
    """
    wanted = [(rule, int(rule.to) if rule.to.isdecimal() else id_of(rule.to)) for rule in rules]
    usable = [(rule, to) for rule, to in wanted if to is not None]
    known: dict[int, int] = {}

    def mapped(number: int) -> int:
        if number not in known:
            name = name_of(number)
            known[number] = next((to for rule, to in usable if _matches(rule, number, name)), number)
        return known[number]

    return mapped


def _matches(rule: Rule, number: int, name: str) -> bool:
    if rule.low >= 0:
        return rule.low <= number <= rule.high
    if _WILD.search(rule.pattern):
        return fnmatchcase(name, rule.pattern.replace("[^", "[!"))
    return name == rule.pattern


def translate_users(text: str, numeric_ids: bool) -> Translation | None:
    """What --usermap makes of a uid; None where there is no such option."""
    return translate(parse_map(text), _no_name if numeric_ids else _user_name, _user_id) if text else None


def translate_groups(text: str, numeric_ids: bool) -> Translation | None:
    """What --groupmap makes of a gid; None where there is no such option."""
    return translate(parse_map(text), _no_name if numeric_ids else _group_name, _group_id) if text else None


def unknown_names(usermap: str, groupmap: str) -> list[str]:
    """What is to be said of names that nobody here has: their rules do nothing."""
    maps = (("usermap", usermap, _user_id), ("groupmap", groupmap, _group_id))
    return [
        f"unknown --{option} name: {rule.to}"
        for option, text, id_of in maps
        for rule in (parse_map(text) if text else ())
        if not rule.to.isdecimal() and id_of(rule.to) is None
    ]


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _user_id(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def _group_id(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _no_name(_number: int) -> str:
    """With --numeric-ids nobody has a name."""
    return ""
