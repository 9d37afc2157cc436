"""rsync's options that mean nothing where nothing is sent anywhere: accepted, because people paste them. What rsync
would not understand is no value of them here either."""

from __future__ import annotations

from collections.abc import Callable

from arsync.errors import ExitCode, UsageError
from arsync.options.sizes import parse_number, parse_size
from arsync.options.table import WITHOUT_EFFECT, Fields, Flag, Row, Value

_FLAGS = """
--compress,-z --no-compress,--no-z --old-compress --new-compress --blocking-io --no-blocking-io --no-motd
--secluded-args,-s,--protect-args --no-secluded-args,--no-s,--no-protect-args --old-args --no-old-args
--inc-recursive,--i-r --no-inc-recursive,--no-i-r --trust-sender --ipv4,-4 --ipv6,-6 --qsort
--no-contimeout --fuzzy,-y --no-fuzzy,--no-y
"""

_VALUES = """
--rsh,-e --rsync-path --skip-compress --address --sockopts
"""

_COMPRESSORS = ("auto", "zstd", "lz4", "zlibx", "zlib", "none")

#: Bytes: the largest block of rsync's, and the least that it may be told to allocate at once (0: as it likes).
_LARGEST_BLOCK = 128 << 10
_LEAST_ALLOCATION = 1 << 20

#: What rsync 3.5 speaks.
_OLDEST_PROTOCOL, _NEWEST_PROTOCOL = 20, 32


def _ignore(_fields: Fields, _text: str) -> None:
    """Whatever it says, it means nothing here."""


def _number(_fields: Fields, text: str) -> None:
    parse_number(text)


def _protocol(_fields: Fields, text: str) -> None:
    if not _OLDEST_PROTOCOL <= parse_number(text) <= _NEWEST_PROTOCOL:
        raise UsageError(
            f"--protocol={text}: rsync's protocols have the numbers {_OLDEST_PROTOCOL} to {_NEWEST_PROTOCOL}",
            ExitCode.PROTOCOL,
        )


def _block_size(_fields: Fields, text: str) -> None:
    if parse_size(text) > _LARGEST_BLOCK:
        raise ValueError("is more than 128K")


def _max_alloc(_fields: Fields, text: str) -> None:
    if 0 < parse_size(text) < _LEAST_ALLOCATION:
        raise ValueError("is less than 1M (0: no limit)")


def _compress_choice(_fields: Fields, text: str) -> None:
    if text.lower() not in _COMPRESSORS:
        raise UsageError(
            f"--compress-choice={text}: {text!r} is not one of {', '.join(_COMPRESSORS)}", ExitCode.UNSUPPORTED
        )


def _iconv(fields: Fields, text: str) -> None:
    fields["iconv"] = text


def converts_names(charsets: str) -> bool:
    """Whether a value of --iconv or RSYNC_ICONV asks for names in another character set.

    >>> converts_names("."), converts_names("utf8,latin1"), converts_names("utf8,UTF8")
    (False, True, False)
    """
    ours, comma, theirs = charsets.lower().partition(",")
    return bool(comma) and ours != theirs


_CHECKED: dict[str, Callable[[Fields, str], None]] = {
    "--block-size,-B": _block_size,
    "--max-alloc": _max_alloc,
    "--compress-choice,--zc": _compress_choice,
    "--compress-level,--zl": _number,
    "--compress-threads,--zt": _number,
    "--checksum-seed": _number,
    "--port": _number,
    "--protocol": _protocol,
    "--iconv": _iconv,
}

IGNORED: tuple[Row, ...] = (
    *(Flag(tuple(names.split(",")), {}, "", WITHOUT_EFFECT, hidden=True) for names in _FLAGS.split()),
    Flag(("--no-iconv",), {"iconv": ""}, "", WITHOUT_EFFECT, hidden=True),
    *(
        Value(tuple(names.split(",")), "X", take, "", WITHOUT_EFFECT, hidden=True)
        for names, take in (*dict.fromkeys(_VALUES.split(), _ignore).items(), *_CHECKED.items())
    ),
)
