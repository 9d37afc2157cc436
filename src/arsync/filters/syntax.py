"""How filter rules are written: reads one rule, or the rules of a file."""

from __future__ import annotations

from arsync.errors import UsageError
from arsync.filters.rules import PLAIN, Clear, Cvs, Flags, Merge, Parsed, Rule, Style

_LONG = {
    b"exclude": b"-", b"include": b"+", b"merge": b".", b"dir-merge": b":", b"hide": b"H", b"show": b"S",
    b"protect": b"P", b"risk": b"R", b"clear": b"!",
}  # fmt: skip
_SIDES = {b"H": (b"-", "sender"), b"S": (b"+", "sender"), b"P": (b"-", "receiver"), b"R": (b"+", "receiver")}
_FLAGS = {b"/": "absolute", b"!": "negated", b"s": "sender", b"r": "receiver", b"p": "perishable", b"x": "xattr"}


def _refuse(problem: str, where: str) -> UsageError:
    return UsageError(f"{problem}: {where}")


def _two_sides(where: str) -> UsageError:
    return _refuse("a merge file whose rule says a side contains a rule that says one, too", where)


def parse_rule(
    text: bytes, where: str, flags: Flags = PLAIN, *, delete_excluded: bool = False, rooted: bool = False
) -> Parsed:
    """Read one rule of the new style; ``flags`` are what its merge rule says.

    Raises :class:`UsageError`, which names ``where`` the rule stands.
    """
    kind, modifiers, argument, separated = _split(text, where)
    if kind == b"!":
        if modifiers or separated:
            raise _refuse("the rule '!' has trailing characters", where)
        return Clear()
    if kind in _SIDES:
        kind, side = _SIDES[kind]
        if flags.sided:
            raise _two_sides(where)
        own = PLAIN._replace(**{side: True})
        forbidden = b"srC"
    else:
        own, forbidden = PLAIN, b""
    if kind in (b".", b":"):
        return _merge(kind, modifiers, argument, own, flags, where)
    cvs = False
    for at in range(len(modifiers)):
        letter = modifiers[at : at + 1]
        if letter in forbidden or letter not in (*_FLAGS, b"C"):
            raise _invalid(letter, where)
        if letter == b"C":
            cvs = True
        else:
            if letter in b"sr" and flags.sided:
                raise _two_sides(where)
            own = own._replace(**{_FLAGS[letter]: True})
    own = _combined(own, flags, delete_excluded)
    if cvs:
        return Cvs(kind == b"-", own)
    if not argument:
        raise _refuse("unexpected end of filter rule", where)
    return Rule(kind == b"-", own, argument, rooted=rooted)


def parse_old(
    text: bytes,
    prefix: bytes,
    where: str,
    flags: Flags = PLAIN,
    *,
    delete_excluded: bool = False,
    rooted: bool = False,
    prefixes: bool = True,
) -> Parsed:
    """Read a pattern, as --exclude (``prefix`` "-") and --include ("+") give it; ``prefixes``: "- " and "+ " count."""
    if prefixes:
        if text == b"!":
            return Clear()
        if text[:2] in (b"- ", b"+ "):
            prefix, text = text[:1], text[2:]
            if not text:
                raise _refuse("unexpected end of filter rule", where)
    return Rule(prefix == b"-", _combined(PLAIN, flags, delete_excluded), text, rooted=rooted)


def _combined(own: Flags, defaults: Flags, delete_excluded: bool) -> Flags:
    """A rule's flags with those of its merge rule; where neither says a side, --delete-excluded makes it the sender."""
    both = Flags(*(a or b for a, b in zip(own, defaults)))
    return both._replace(sender=True) if delete_excluded and not both.sided else both


def _split(text: bytes, where: str) -> tuple[bytes, bytes, bytes, bool]:
    """The short name of a rule, its modifiers, its argument, and whether something separates them."""
    for name, kind in _LONG.items():
        if text.startswith(name) and (text[len(name) : len(name) + 1] in b", _\t\n\v\f\r"):
            rest = text[len(name) :]
            if rest and rest[:1] not in b", _":
                raise _invalid(rest[:1], where)
            comma = rest[:1] == b","
            if not comma:
                return kind, b"", rest[1:], bool(rest)
            break
    else:
        kind, rest = text[:1], text[1:]
        if kind not in _LONG.values():
            raise _refuse("unknown filter rule (write - PATTERN, + PATTERN, or see FILTER RULES in man rsync)", where)
        comma = rest[:1] == b","
    rest = rest[1:] if comma else rest
    if kind == b"!":
        return kind, rest, b"", False
    ends = [at for at in (rest.find(b" "), rest.find(b"_")) if at >= 0]
    end = min(ends, default=len(rest))
    return kind, rest[:end], rest[end + 1 :], end < len(rest)


def _invalid(letter: bytes, where: str) -> UsageError:
    return _refuse(f"invalid modifier '{letter.decode('utf-8', 'backslashreplace')}' in filter rule", where)


def _merge(kind: bytes, modifiers: bytes, argument: bytes, own: Flags, defaults: Flags, where: str) -> Merge:
    style = Style()
    inherited, excluded = True, False
    for at in range(len(modifiers)):
        letter = modifiers[at : at + 1]
        if letter in b"+-" and not style.prefix:
            style = style._replace(prefix=letter)
        elif letter == b"C" and not style.prefix:
            style, inherited, argument = Style(b"-", words=True, clears=True), False, argument or b".cvsignore"
        elif letter == b"w":
            style = style._replace(words=True)
        elif letter == b"n":
            inherited = False
        elif letter == b"e":
            excluded = True
        elif letter != b"!" and letter in _FLAGS:
            if letter in b"sr" and defaults.sided:
                raise _two_sides(where)
            own = own._replace(**{_FLAGS[letter]: True})
        else:
            raise _invalid(letter, where)
    if not argument:
        raise _refuse("unexpected end of filter rule", where)
    # rsync takes an "x", but lets the rules in the file say themselves what they are about.
    flags = _combined(own, defaults, False)._replace(xattr=False)
    return Merge(argument, kind == b":", flags, style, inherited, excluded)


def split_file(data: bytes, style: Style, *, from0: bool) -> list[tuple[int, bytes]]:
    """The rules in a merge file, each with the number of its line (0: words have none)."""
    if style.words:
        return [(0, word) for part in data.split(b"\0") for word in part.split()]
    lines = data.split(b"\0") if from0 else [line.partition(b"\0")[0] for line in _line_ends(data)]
    return [(number, line) for number, line in enumerate(lines, 1) if line and line[:1] not in (b"#", b";")]


def _line_ends(data: bytes) -> list[bytes]:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def parse_file(
    data: bytes, name: str, merge: Merge, *, delete_excluded: bool = False, from0: bool = False, rooted: bool = False
) -> list[Parsed]:
    """Read a merge file's content; ``name`` is how errors call it."""
    style, flags = merge.style, merge.flags
    found: list[Parsed] = []
    for number, text in split_file(data, style, from0=from0):
        where = f"line {number} of {name}" if number else f"a rule in {name}"
        if style.clears and text == b"!":
            found.append(Clear())
        elif style.prefix:
            found.append(
                parse_old(
                    text, style.prefix, where, flags, delete_excluded=delete_excluded, rooted=rooted, prefixes=style.old
                )
            )
        else:
            found.append(parse_rule(text, where, flags, delete_excluded=delete_excluded, rooted=rooted))
    return found
