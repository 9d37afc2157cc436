"""The options with a value, as a table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from enum import Enum

from arsync import levels
from arsync.config import NUL_SEPARATED, AltDest, CopyMethod, IoEngine
from arsync.errors import ExitCode, UsageError
from arsync.options.sizes import INT_MAX, INT_MIN, parse_number, parse_rate, parse_size
from arsync.options.table import (
    COMPARING,
    DELETING,
    LINKS,
    OWN,
    PRESERVING,
    SELECTING,
    SHOWING,
    WRITING,
    Fields,
    Value,
)
from arsync.options.times import parse_stop_after, parse_stop_at

Take = Callable[[Fields, str], None]

#: What --buffer-size may be: a page at least, and no more than what is sensibly kept in memory per lane.
_BUFFER_RANGE = (4096, 64 << 20)


def _text(field: str) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = text

    return take


def _path(field: str) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = os.fsencode(text) if text else None

    return take


def _bytes(field: str) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = os.fsencode(text)

    return take


def _flags(field: str, known: Iterable[str]) -> Take:
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


def _size(field: str, low: int = 0, high: int = 1 << 63) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = size = parse_size(text)
        if not low <= size <= high:
            raise ValueError(f"is not between {low} and {high} bytes")

    return take


def _directory(field: str) -> Take:
    """A path that has to be one, even where it is empty: what names no directory is refused, not left out."""

    def take(fields: Fields, text: str) -> None:
        fields[field] = os.fsencode(text)

    return take


def _number(field: str, low: int, high: int) -> Take:
    def take(fields: Fields, text: str) -> None:
        fields[field] = parse_number(text, low, high)

    return take


def _timeout(fields: Fields, text: str) -> None:
    fields["timeout"] = max(0, parse_number(text))


def _choice(field: str, kind: type[Enum]) -> Take:
    def take(fields: Fields, text: str) -> None:
        try:
            fields[field] = kind(text)
        except ValueError:
            raise ValueError(not_one_of(text, [member.value for member in kind])) from None

    return take


def _one_of(field: str, words: tuple[str, ...]) -> Take:
    def take(fields: Fields, text: str) -> None:
        if text not in words:
            raise ValueError(not_one_of(text, words))
        fields[field] = text

    return take


def not_one_of(text: str, words: Iterable[str]) -> str:
    """Why a word is refused, and which may have been meant."""
    from arsync.suggest import did_you_mean

    return f"is not one of {', '.join(words)}{did_you_mean(text, words)}"


def _listed(field: str) -> Take:
    """Several may be given."""

    def take(fields: Fields, text: str) -> None:
        fields[field] = (*fields.get(field, ()), text)

    return take


def _filter(option: str) -> Take:
    def take(fields: Fields, text: str) -> None:
        # As for rsync, --from0 decides about the files that options after it name.
        name = option + NUL_SEPARATED if fields.get("from0") else option
        fields["filters"] = (*fields.get("filters", ()), (name, os.fsencode(text)))

    return take


def _alt_dest(kind: AltDest) -> Take:
    def take(fields: Fields, text: str) -> None:
        before = fields.setdefault("alt_dest", kind)
        if before is not kind:
            raise ValueError(f"conflicts with --{before.value}-dest: only one kind can be used in a run")
        fields["alt_dirs"] = (*fields.get("alt_dirs", ()), os.fsencode(text))

    return take


def _chmod(fields: Fields, text: str) -> None:
    from arsync.chmod import compile_changes

    compile_changes((text,), 0)
    fields["chmod"] = (*fields.get("chmod", ()), text)


def _chown(fields: Fields, text: str) -> None:
    user, _, group = text.partition(":")
    for field, name, implied in (("usermap", user, "owner"), ("groupmap", group, "group")):
        if name:
            _set_map(fields, field, f"*:{name}", implied, "--chown")


def _map(field: str, implied: str) -> Take:
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


def _checksum_choice(fields: Fields, text: str) -> None:
    first, comma, second = text.lower().partition(",")
    for name in (first, second) if comma else (first,):
        if name not in CHECKSUMS:
            raise UsageError(
                f"--checksum-choice={text}: {name!r} {not_one_of(name, sorted(CHECKSUMS))}",
                ExitCode.UNSUPPORTED,
            )
    fields["checksum_choice"] = text.lower()


def _suffix(fields: Fields, text: str) -> None:
    if "/" in text:
        raise ValueError("has a slash in it; --backup-dir is for another directory")
    fields["suffix"] = os.fsencode(text)


def _stop_after(fields: Fields, text: str) -> None:
    fields["stop_at"] = parse_stop_after(text, time.time())


def _stop_at(fields: Fields, text: str) -> None:
    fields["stop_at"] = parse_stop_at(text, time.time())


def _bwlimit(fields: Fields, text: str) -> None:
    fields["bwlimit"] = parse_rate(text)


def _stderr(fields: Fields, text: str) -> None:
    for mode in ("errors", "all", "client"):
        if text and mode.startswith(text.lower()):
            fields["stderr"] = mode
            return
    raise ValueError(not_one_of(text, ("errors", "all", "client")))


def _outbuf(fields: Fields, text: str) -> None:
    if text[:1].upper() not in ("N", "L", "B", "U", "F"):
        raise ValueError("is not one of N (none), L (lines), B (blocks)")
    fields["outbuf"] = {"U": "N", "F": "B"}.get(text[0].upper(), text[0].upper())


def _confine_root(fields: Fields, text: str) -> None:
    if not text.startswith("/"):
        raise ValueError("is not an absolute path, one that begins with a slash")
    fields["confine_root"] = os.fsencode(text)


def _files_from(fields: Fields, text: str) -> None:
    if not text:
        raise ValueError("names no file, and without the option everything would be copied")
    fields["files_from"] = os.fsencode(text)


def _max_delete(fields: Fields, text: str) -> None:
    number = text.removesuffix("%")
    try:
        fields["max_delete"] = str(parse_number(number)) + text[len(number) :]
    except ValueError as error:
        raise ValueError(f"{error}, or a percentage of the destination's files, as in 10%") from None


VALUES = (
    Value(("--files-from",), "FILE", _files_from, "copy what FILE names (-: stdin)", SELECTING),
    Value(("--filter", "-f"), "RULE", _filter("filter"), "add a filter rule", SELECTING),
    Value(("--exclude",), "PATTERN", _filter("exclude"), "leave out what matches", SELECTING),
    Value(("--exclude-from",), "FILE", _filter("exclude-from"), "leave out what matches a pattern in FILE", SELECTING),
    Value(
        ("--include",),
        "PATTERN",
        _filter("include"),
        "do not leave out what matches, whatever is excluded after it",
        SELECTING,
    ),
    Value(
        ("--include-from",),
        "FILE",
        _filter("include-from"),
        "do not leave out what matches a pattern in FILE",
        SELECTING,
    ),
    Value(("--max-size",), "SIZE", _size("max_size"), "leave out files that are larger", SELECTING),
    Value(("--min-size",), "SIZE", _size("min_size"), "leave out files that are smaller", SELECTING),
    Value(
        ("--checksum-choice", "--cc"),
        "NAME",
        _checksum_choice,
        "the hash of %C and --verify; -c compares contents themselves",
        COMPARING,
    ),
    Value(
        ("--modify-window", "-@"),
        "SECONDS",
        _number("modify_window", INT_MIN, INT_MAX),
        "times that differ by no more count as equal",
        COMPARING,
    ),
    Value(
        ("--compare-dest",), "DIR", _alt_dest(AltDest.COMPARE), "leave out what DIR has unchanged already", COMPARING
    ),
    Value(("--copy-dest",), "DIR", _alt_dest(AltDest.COPY), "copy from DIR what it has unchanged", COMPARING),
    Value(("--link-dest",), "DIR", _alt_dest(AltDest.LINK), "make hard links to what DIR has unchanged", COMPARING),
    Value(("--max-delete",), "N[%]", _max_delete, "delete no more than N entries, or N% of DEST's", DELETING),
    Value(("--confine-root",), "DIR", _confine_root, "refuse given paths that lead outside of DIR", LINKS),
    Value(("--chmod",), "CHANGES", _chmod, "change the permissions that are copied", PRESERVING),
    Value(("--chown",), "USER:GROUP", _chown, "give copies this owner and group", PRESERVING),
    Value(
        ("--usermap",), "FROM:TO,...", _map("usermap", "owner"), "translate owners: names, ids, ranges, *", PRESERVING
    ),
    Value(
        ("--groupmap",), "FROM:TO,...", _map("groupmap", "group"), "translate groups: names, ids, ranges, *", PRESERVING
    ),
    Value(("--backup-dir",), "DIR", _directory("backup_dir"), "where to keep what is replaced (implies -b)", WRITING),
    Value(("--suffix",), "SUFFIX", _suffix, "what is added to their names (~; nothing in --backup-dir)", WRITING),
    Value(
        ("--partial-dir",),
        "DIR",
        _path("partial_dir"),
        "keep parts of files in DIR, beside the file or absolute",
        WRITING,
    ),
    Value(("--temp-dir", "-T"), "DIR", _directory("temp_dir"), "where files are until they are complete", WRITING),
    Value(("--bwlimit",), "RATE", _bwlimit, "copy no more than so many KiB a second", WRITING),
    Value(("--timeout",), "SECONDS", _timeout, "end when nothing could be done for so long", WRITING),
    Value(("--stop-after", "--time-limit"), "MINUTES", _stop_after, "stop after so many minutes", WRITING),
    Value(("--stop-at",), "y-m-dTh:m", _stop_at, "stop at this time", WRITING),
    Value(("--info",), "FLAGS", _flags("info", levels.INFO), "what to tell (--info=help lists it)", SHOWING),
    Value(
        ("--debug",),
        "FLAGS",
        _flags("debug", levels.DEBUG),
        "what to tell of inner workings (--debug=help lists it)",
        SHOWING,
    ),
    Value(
        ("--out-format", "--log-format"),
        "FORMAT",
        _bytes("out_format"),
        "a line like this for each change: %i what, %n name, %l size",
        SHOWING,
    ),
    Value(("--log-file",), "FILE", _path("log_file"), "write to FILE what is done, with the time", SHOWING),
    Value(
        ("--log-file-format",),
        "FORMAT",
        _bytes("log_file_format"),
        "--out-format of the lines in the log file",
        SHOWING,
    ),
    Value(
        ("--progress-style",),
        "auto|bar|plain",
        _one_of("progress_style", ("auto", "bar", "plain")),
        "draw progress (bar), or write rsync's lines (plain)",
        OWN,
    ),
    Value(("--outbuf",), "N|L|B", _outbuf, "write lines one by one (N, L), or in blocks (B)", SHOWING),
    Value(("--stderr",), "e|a|c", _stderr, "what goes to stderr: errors, or all", SHOWING),
    Value(
        ("--lock",),
        "FILE",
        _bytes("lock"),
        "refuse to begin (exit code 75) while another run has locked DEST, or FILE",
        OWN,
        optional=True,
    ),
    Value(("--io-engine",), "auto|uring|plain", _choice("io_engine", IoEngine), "io_uring where it pays (auto)", OWN),
    Value(("--workers",), "N", _number("workers", 0, 1024), "worker processes; 0: one for each usable CPU", OWN),
    Value(
        ("--queue-depth",),
        "N",
        _number("queue_depth", 1, 4096),
        "files in flight in each worker where storage waits (64)",
        OWN,
    ),
    Value(
        ("--buffer-size",),
        "SIZE",
        _size("buffer_size", *_BUFFER_RANGE),
        "bytes of one read or write of large files (1M)",
        OWN,
    ),
    Value(
        ("--copy-method",),
        "METHOD",
        _choice("copy_method", CopyMethod),
        "auto, reflink, copy_file_range, read-write or mmap; what cannot gives way to the next",
        OWN,
    ),
)
