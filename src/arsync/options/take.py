"""What an option makes of its value: sets fields of the configuration, or says why it cannot.

A function here is what a row of the table calls with the value, or makes one. It raises ValueError with what follows
the option in the error (``is not a number``), or UsageError with all of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from enum import Enum

from arsync import levels
from arsync.config import NUL_SEPARATED, AltDest
from arsync.errors import ExitCode, UsageError
from arsync.options.sizes import INT_MAX, INT_MIN, parse_number, parse_rate, parse_size
from arsync.options.table import Fields

Take = Callable[[Fields, str], None]


def path(field: str) -> Take:
    """A path; an empty one takes an earlier one back."""

    def take(fields: Fields, text: str) -> None:
        fields[field] = os.fsencode(text) if text else None

    return take


def raw(field: str) -> Take:
    """The bytes as they are, even where there are none: what names no directory is refused, not left out."""

    def take(fields: Fields, text: str) -> None:
        fields[field] = os.fsencode(text)

    return take


def flags(field: str, known: Iterable[str]) -> Take:
    """Flags of --info or --debug, which must exist."""

    def take(fields: Fields, text: str) -> None:
        if not levels.help_wanted([text]):
            try:
                levels.apply(dict.fromkeys(known, 0), text)
            except levels.UnknownFlagError as error:
                from arsync.suggest import did_you_mean

                near = did_you_mean(str(error).rstrip("0123456789"), [*known, "all", "none", "help"])
                raise UsageError(f'Unknown --{field} item: "{error}"{near}; --{field}=help lists them') from error
        fields[field] = (*fields.get(field, ()), text)

    return take


def size(field: str, low: int = 0, high: int = 1 << 63) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = value = parse_size(text)
        if not low <= value <= high:
            raise ValueError(f"is not between {low} and {high} bytes")

    return take


def number(field: str, low: int = INT_MIN, high: int = INT_MAX) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = parse_number(text, low, high)

    return take


def timeout(fields: Fields, text: str) -> None:
    fields["timeout"] = max(0, parse_number(text))


def choice(field: str, kind: type[Enum]) -> Take:
    def take(fields: Fields, text: str) -> None:
        try:
            fields[field] = kind(text)
        except ValueError:
            raise ValueError(not_one_of(text, [member.value for member in kind])) from None

    return take


def one_of(field: str, words: tuple[str, ...]) -> Take:
    def take(fields: Fields, text: str) -> None:
        if text not in words:
            raise ValueError(not_one_of(text, words))
        fields[field] = text

    return take


def not_one_of(text: str, words: Iterable[str]) -> str:
    """Why a word is refused, and which may have been meant."""
    from arsync.suggest import did_you_mean

    return f"is not one of {', '.join(words)}{did_you_mean(text, words)}"


def filter_rule(option: str) -> Take:
    def take(fields: Fields, text: str) -> None:
        # As for rsync, --from0 decides about the files that options after it name.
        name = option + NUL_SEPARATED if fields.get("from0") else option
        fields["filters"] = (*fields.get("filters", ()), (name, os.fsencode(text)))

    return take


def alt_dest(kind: AltDest) -> Take:
    def take(fields: Fields, text: str) -> None:
        before = fields.setdefault("alt_dest", kind)
        if before is not kind:
            raise ValueError(f"conflicts with --{before.value}-dest: only one kind can be used in a run")
        fields["alt_dirs"] = (*fields.get("alt_dirs", ()), os.fsencode(text))

    return take


def chmod(fields: Fields, text: str) -> None:
    from arsync.chmod import compile_changes

    compile_changes((text,), 0)
    fields["chmod"] = (*fields.get("chmod", ()), text)


def chown(fields: Fields, text: str) -> None:
    user, _, group = text.partition(":")
    for field, name, implied in (("usermap", user, "owner"), ("groupmap", group, "group")):
        if name:
            _set_map(fields, field, f"*:{name}", implied, "--chown")


def id_map(field: str, implied: str) -> Take:
    def take(fields: Fields, text: str) -> None:
        _set_map(fields, field, text, implied, "--" + field)

    return take


def _set_map(fields: Fields, field: str, text: str, implied: str, option: str) -> None:
    from arsync.idmap import parse_map

    before = fields.setdefault(field + " by", option)
    if field in fields:
        raise ValueError(
            "is the second one: it can be given only once" if before == option else f"conflicts with {before} before it"
        )
    parse_map(text)
    fields[field] = text
    fields[implied] = True


#: The names of checksums that rsync knows.
CHECKSUMS = frozenset({"auto", "xxh128", "xxh3", "xxh64", "xxhash", "md5", "md4", "sha1", "none"})


def checksum_choice(fields: Fields, text: str) -> None:
    first, comma, second = text.lower().partition(",")
    for name in (first, second) if comma else (first,):
        if name not in CHECKSUMS:
            raise UsageError(
                f"--checksum-choice={text}: {name!r} {not_one_of(name, sorted(CHECKSUMS))}",
                ExitCode.UNSUPPORTED,
            )
    fields["checksum_choice"] = text.lower()


def suffix(fields: Fields, text: str) -> None:
    if "/" in text:
        raise ValueError("has a slash in it; --backup-dir is for another directory")
    fields["suffix"] = os.fsencode(text)


def stop_after(fields: Fields, text: str) -> None:
    from arsync.options.times import parse_stop_after

    fields["stop_at"] = parse_stop_after(text, time.time())


def stop_at(fields: Fields, text: str) -> None:
    from arsync.options.times import parse_stop_at

    fields["stop_at"] = parse_stop_at(text, time.time())


def bwlimit(fields: Fields, text: str) -> None:
    fields["bwlimit"] = parse_rate(text)


def stderr(fields: Fields, text: str) -> None:
    for mode in ("errors", "all", "client"):
        if text and mode.startswith(text.lower()):
            fields["stderr"] = mode
            return
    raise ValueError(not_one_of(text, ("errors", "all", "client")))


def outbuf(fields: Fields, text: str) -> None:
    if text[:1].upper() not in ("N", "L", "B", "U", "F"):
        raise ValueError("is not one of N (none), L (lines), B (blocks)")
    fields["outbuf"] = {"U": "N", "F": "B"}.get(text[0].upper(), text[0].upper())


def confine_root(fields: Fields, text: str) -> None:
    if not text.startswith("/"):
        raise ValueError("is not an absolute path, one that begins with a slash")
    fields["confine_root"] = os.fsencode(text)


def files_from(fields: Fields, text: str) -> None:
    if not text:
        raise ValueError("names no file, and without the option everything would be copied")
    fields["files_from"] = os.fsencode(text)


def max_delete(fields: Fields, text: str) -> None:
    count = text.removesuffix("%")
    try:
        fields["max_delete"] = str(parse_number(count)) + text[len(count) :]
    except ValueError as error:
        raise ValueError(f"{error}, or a percentage of the destination's files, as in 10%") from None
