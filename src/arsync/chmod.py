"""``--chmod``: changes of permissions, as chmod(1) writes them, compiled to functions from a mode to a mode.

>>> change = compile_changes(("Dg+s,ug+w,Fo-w,+X",), umask=0o022)
>>> oct(change(0o100646)), oct(change(0o040755))
('0o100664', '0o42775')
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ITEM = re.compile(
    r"(?P<kind>[DF]?)(?:(?P<octal>[0-7]+)|(?P<who>[ugoa]*)(?P<op>[-+=])(?:(?P<copy>[ugo])|(?P<perms>[rwxXst]*)))"
)

#: For each class the place of its permissions; the bit that s means, and the one that a copy with = clears.
_SHIFT = {"u": 6, "g": 3, "o": 0}
_SET_ID = {"u": 0o4000, "g": 0o2000, "o": 0}
_SPECIAL = {"u": 0o4000, "g": 0o2000, "o": 0o1000}

_DIRECTORY, _LINK, _KIND = 0o040000, 0o120000, 0o170000

#: From a mode, and what it was before the first change, to a mode.
Change = Callable[[int, int], int]


def compile_changes(texts: tuple[str, ...], umask: int) -> Callable[[int], int]:
    """A function from a mode to what all ``texts`` make of it, one after the other. Symlinks stay as they are.

    ``umask``: what a change that names nobody leaves alone. Raises ValueError where a text is no such change.
    """
    files: list[Change] = []
    directories: list[Change] = []
    for text in texts:
        for item in text.split(","):
            match = _ITEM.fullmatch(item)
            if match is None or int(match["octal"] or "0", 8) > 0o7777:
                raise ValueError("is no change of permissions; write what chmod(1) takes, with D or F before it")
            change = _change(match, umask)
            if match["kind"] != "D":
                files.append(change)
            if match["kind"] != "F":
                directories.append(change)

    def changed(mode: int) -> int:
        kind = mode & _KIND
        if kind == _LINK:
            return mode
        was = mode
        for change in directories if kind == _DIRECTORY else files:
            mode = change(mode, was)
        return mode

    return changed


def _change(match: re.Match[str], umask: int) -> Change:
    if match["octal"]:
        exact = int(match["octal"], 8)
        return lambda mode, _: mode & _KIND | exact
    who, copy = match["who"], match["copy"]
    classes = "ugo" if not who or "a" in who else who
    places = sum(1 << _SHIFT[letter] for letter in set(classes))
    allowed = 0o777 if who else 0o777 & ~umask
    if copy:
        cleared = places * 7 | sum(_SPECIAL[letter] for letter in set(classes))
        return _made(match["op"], cleared, lambda mode, _: (mode >> _SHIFT[copy] & 7) * places & allowed)
    perms = match["perms"]
    set_ids = sum(_SET_ID[letter] for letter in set(classes)) if who else 0
    special = (set_ids or 0o4000) * ("s" in perms) | 0o1000 * ("t" in perms)
    cleared = places * 7 | (set_ids if special else 0)
    bits = places * (4 * ("r" in perms) | 2 * ("w" in perms) | ("x" in perms)) & allowed | special
    if "X" not in perms:
        return _made(match["op"], cleared, lambda _mode, _was: bits)
    execute = places & allowed
    return _made(match["op"], cleared, lambda _, was: bits | (execute if _executable(was) else 0))


def _executable(mode: int) -> bool:
    """Whether X means x: in a directory, or where somebody could execute the file before any change (as rsync)."""
    return bool(mode & 0o111) or mode & _KIND == _DIRECTORY


def _made(op: str, cleared: int, bits_of: Change) -> Change:
    """The change itself. ``cleared``: what = takes away first; ``bits_of`` gives the bits in question for a mode."""
    if op == "+":
        return lambda mode, was: mode | bits_of(mode, was)
    if op == "-":
        return lambda mode, was: mode & ~bits_of(mode, was)
    return lambda mode, was: mode & ~cleared | bits_of(mode, was)
