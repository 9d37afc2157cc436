"""rsync's options that mean nothing where nothing is sent anywhere: accepted, because people paste them."""

from __future__ import annotations

from arsync.options.table import WITHOUT_EFFECT, Fields, Flag, Row, Value


def _ignore(_fields: Fields, _text: str) -> None:
    """Whatever it says, it means nothing here."""


_FLAGS = """
--compress,-z --no-compress,--no-z --old-compress --new-compress --blocking-io --no-blocking-io --no-motd
--secluded-args,-s,--protect-args --no-secluded-args,--no-s,--no-protect-args --old-args --no-old-args
--inc-recursive,--i-r --no-inc-recursive,--no-i-r --trust-sender --no-iconv --ipv4,-4 --ipv6,-6 --qsort
--no-contimeout --fuzzy,-y --no-fuzzy,--no-y
"""

_VALUES = """
--rsh,-e --rsync-path --block-size,-B --compress-choice,--zc --compress-level,--zl --compress-threads,--zt
--skip-compress --checksum-seed --max-alloc --address --port --sockopts --protocol --iconv
"""

IGNORED: tuple[Row, ...] = (
    *(Flag(tuple(names.split(",")), {}, "", WITHOUT_EFFECT, hidden=True) for names in _FLAGS.split()),
    *(Value(tuple(names.split(",")), "X", _ignore, "", WITHOUT_EFFECT, hidden=True) for names in _VALUES.split()),
)
