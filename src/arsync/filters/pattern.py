"""One pattern: what it matches, and what is left of it to match inside of a directory.

A pattern is a sequence of tokens, each of which takes one byte or, a star, any number. Entering a directory takes its
name off the front: what remains are positions in the token sequence, and what they mean for a name in that directory
is a pattern without slashes. So a name is never joined to its path, and most directories have the same remains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_SLASH = ord("/")
_ALL = frozenset(range(256))
_NO_SLASH = _ALL - {_SLASH}


class Token(NamedTuple):
    """What takes a byte: its set, whether any number of them, and the regular expression for names without slash."""

    accepts: frozenset[int]
    repeats: bool
    regex: bytes


_ANY = Token(_NO_SLASH, False, b".")
_STAR = Token(_NO_SLASH, True, b".*")
_DEEP_STAR = Token(_ALL, True, b".*")
_NOTHING = Token(frozenset(), False, b"(?!)")
_LITERALS = [Token(frozenset((byte,)), False, re.escape(bytes((byte,)))) for byte in range(256)]

#: The classes of the C locale, as ranges.
_CLASSES = {
    b"alnum": b"09AZaz", b"alpha": b"AZaz", b"blank": b"\t\t  ", b"cntrl": b"\0\x1f\x7f\x7f", b"digit": b"09",
    b"graph": b"!~", b"lower": b"az", b"print": b" ~", b"punct": b"!/:@[`{~", b"space": b"\t\r  ", b"upper": b"AZ",
    b"xdigit": b"09AFaf",
}  # fmt: skip


def _ranges(pairs: bytes) -> set[int]:
    return {byte for low, high in zip(pairs[::2], pairs[1::2]) for byte in range(low, high + 1)}


def _bracket(text: bytes, at: int) -> tuple[Token, int]:
    """The class whose bracket is before ``at``, and where it ends; one that never ends matches nothing."""
    negated = text[at : at + 1] in (b"!", b"^")
    at += negated
    found: set[int] = set()
    first, previous = True, -1
    while first or text[at : at + 1] != b"]":
        first = False
        byte = text[at : at + 1]
        if byte == b"[" and text[at + 1 : at + 2] == b":":
            end = text.find(b"]", at + 2)
            if end < 0:
                return _NOTHING, len(text)
            if end > at + 2 and text[end - 1 : end] == b":":
                if (name := text[at + 2 : end - 1]) not in _CLASSES:
                    return _NOTHING, len(text)
                found |= _ranges(_CLASSES[name])
                at, previous = end + 1, -1
                continue
        if byte == b"-" and previous >= 0 and text[at + 1 : at + 2] not in (b"", b"]"):
            at += 1 + (text[at + 1 : at + 2] == b"\\")
            if at >= len(text):
                return _NOTHING, len(text)
            found |= set(range(previous, text[at] + 1))
            at, previous = at + 1, -1
            continue
        at += byte == b"\\"
        if at >= len(text):
            return _NOTHING, len(text)
        previous = text[at]
        found.add(previous)
        at += 1
    accepts = frozenset((_ALL - found if negated else found) - {_SLASH})
    regex = b"[" + b"".join(b"\\x%02x" % value for value in sorted(accepts)) + b"]"
    return (Token(accepts, False, regex) if accepts else _NOTHING), at + 1


def _tokens(text: bytes) -> tuple[Token, ...]:
    if not any(wild in text for wild in (b"*", b"?", b"[")):
        return tuple(_LITERALS[byte] for byte in text)  # a backslash is one of them here
    tokens, at = [], 0
    while at < len(text):
        byte = text[at]
        at += 1
        if byte == ord("*"):
            stars = len(text) - len(text[at:].lstrip(b"*")) - at
            at += stars
            tokens.append(_DEEP_STAR if stars else _STAR)
        elif byte == ord("?"):
            tokens.append(_ANY)
        elif byte == ord("["):
            token, at = _bracket(text, at)
            tokens.append(token)
        elif byte == ord("\\"):
            tokens.append(_LITERALS[text[at]] if at < len(text) else _NOTHING)
            at += 1
        else:
            tokens.append(_LITERALS[byte])
    return tuple(tokens)


class Remains(NamedTuple):
    """What a name in one directory is held against: exactly one of literal, suffix (of any name) and regex."""

    literal: bytes | None = None
    suffix: bytes | None = None
    regex: bytes | None = None


class Pattern:
    """A pattern as it is written in a rule.

    ``whole`` patterns are held against the path, the others against the last name alone. Equal patterns of two rules
    are two objects: a position belongs to one rule.
    """

    __slots__ = ("_tokens", "anchored", "deep", "directory_only", "starts", "text", "whole")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.directory_only = text.endswith(b"/")
        text = text[:-1] if self.directory_only else text
        self.anchored = text.startswith(b"/")
        self.whole = b"/" in text or b"**" in text
        self.deep = text.endswith(b"***")
        self._tokens = _tokens(text[1:] if self.anchored else text)
        self.starts: frozenset[int] = frozenset((0,))
        if text.startswith(b"**"):
            self.starts |= self.advance((0,), b"/")  # "**/name" is also the name at the top

    def first_name(self, at: int) -> bytes | None:
        """The one directory name that a position lets through; None where there may be others."""
        name = bytearray()
        for token in self._tokens[at:]:
            if token.repeats or len(token.accepts) != 1:
                return None
            (byte,) = token.accepts
            if byte == _SLASH:
                return bytes(name)
            name.append(byte)
        return b""  # a pattern for names here: it lets no directory's name through

    def advance(self, positions: Iterable[int], text: bytes) -> frozenset[int]:
        """The positions behind ``text``, which is a directory's name and a slash."""
        tokens, count = self._tokens, len(self._tokens)
        live = set(positions)
        for byte in text:
            following = set()
            for position in live:
                while position < count:
                    accepts, repeats, _ = tokens[position]
                    if byte in accepts:
                        following.add(position if repeats else position + 1)
                    if not repeats:
                        break
                    position += 1
            if not following:
                return frozenset()
            live = following
        live.discard(count)
        return frozenset(live)

    def remains(self, at: int, directory: bool) -> list[Remains]:
        """What a position means for the names in a directory; ``directory``: for those of directories."""
        tokens = self._tokens[at:]
        found = [tokens]
        if directory and self.deep and len(tokens) >= 2 and tokens[-2] is _LITERALS[_SLASH]:
            found.append(tokens[:-2])  # "name/***" is the directory, too
        return [_as_remains(rest) for rest in found if _LITERALS[_SLASH] not in rest]


def _as_remains(tokens: tuple[Token, ...]) -> Remains:
    stars = tokens[:1] in ((_STAR,), (_DEEP_STAR,))
    rest = tokens[stars:]
    if all(not token.repeats and len(token.accepts) == 1 for token in rest):
        literal = bytes(byte for token in rest for byte in token.accepts)
        return Remains(suffix=literal) if stars else Remains(literal=literal)
    return Remains(regex=_as_regex(tokens))


def _as_regex(tokens: tuple[Token, ...]) -> bytes:
    """The regular expression of tokens between which names have no slash.

    What stands between two stars is taken where it comes first, which loses no match, since a star takes anything; only
    the first of them is tried at every place, which common patterns are faster with. So no pattern of somebody's merge
    file takes longer than the square of a name's length: with ``.*`` for each star, ``*a*a*a*a*b`` takes for ever.
    """
    if _NOTHING in tokens:
        return _NOTHING.regex
    pieces = [b""]
    for token in tokens:
        if token.repeats:
            pieces.append(b"")
        else:
            pieces[-1] += token.regex
    first, *between = pieces[:-1] or pieces
    if not between:
        return b".*".join(pieces)
    rest = [b"(?:(?!%b).)*%b" % (piece, piece) for piece in between[1:]]
    return b"".join([first, b".*", between[0], *rest, b".*", pieces[-1]])
