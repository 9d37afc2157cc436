"""What a run has to tell: decided once, from the options, by everybody who collects it or shows it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.levels import debug_levels, info_levels

#: An escape of a format: ``%``, apostrophes, a width, a letter.
ESCAPE = re.compile(rb"%('*)(-?\d*)([A-Za-z%])")

#: The letters of a format that speak of more than an entry's name and changes.
_OF_STATUS = frozenset("bBCfGlMU")

#: How much of what is found is measured: a sample, from which the rest is estimated, or all.
SOME, ALL = 1, 2

_DEFAULT = b"%i %n%L"


class Reporting(NamedTuple):
    """What is shown, and what has to be known for it."""

    info: dict[str, int]
    debug: dict[str, int]
    #: how an entry's line on stdout is made; None: no such lines
    stdout: bytes | None
    #: the same in the log file
    log: bytes | None
    #: entries that were changed are reported
    items: bool
    #: those that need nothing too
    unchanged: bool
    #: what is said beside an entry's own line is wanted too
    notes: bool
    #: each with its size, mode, times and owner
    status: bool
    #: and with a checksum
    checksum: bool
    #: how far large files are while they are copied
    progress: bool
    #: it is drawn on a terminal, not told line by line
    drawn: bool
    #: the bytes of what is found are counted for that: 0 (not), SOME, ALL
    measured: int


def letters(form: bytes | None) -> frozenset[str]:
    """The escapes that a format has.

    >>> sorted(letters(b"%-10n %'l %%"))
    ['%', 'l', 'n']
    """
    return frozenset(match.group(3).decode() for match in ESCAPE.finditer(form or b""))


@lru_cache(maxsize=2)
def reporting(config: CopyConfig) -> Reporting:
    """Decide what ``config`` asks for. Raises levels.UnknownFlagError."""
    info, debug = info_levels(config), debug_levels(config)
    stdout = None if config.quiet or config.json else _stdout_format(config, info)
    log = None
    if config.log_file is not None:
        log = _DEFAULT if config.log_file_format is None else config.log_file_format
    wanted = letters(stdout) | letters(log)
    listing = config.list_only
    progress = 0 if config.quiet or listing else info["progress"]
    if config.dry_run and progress == 1:
        progress = 0  # nothing is on its way; what it all comes to is told
    lines = 0 if config.progress_bar or config.json else progress  # rsync's own
    objects = config.json and not config.quiet
    reasons = bool(info["reason"]) and not config.quiet
    detailed = (objects and config.verbose > 0) or lines == 1 or (lines > 1 and stdout is not None)
    return Reporting(
        info,
        debug,
        stdout,
        log,
        items=bool(stdout is not None or objects or log is not None or listing or lines == 1 or reasons),
        unchanged=config.itemize > 1 or info["name"] > 1,
        notes=not config.quiet or config.log_file is not None,
        status=bool(wanted & _OF_STATUS) or listing or detailed,
        checksum="C" in wanted,
        progress=progress > 0,
        drawn=progress > 0 and config.progress_bar,
        measured=(ALL if lines > 1 else 0) if lines else SOME if progress else 0,
    )


def _stdout_format(config: CopyConfig, info: dict[str, int]) -> bytes | None:
    if config.list_only:
        return None
    if config.out_format is not None:
        return config.out_format
    if config.itemize:
        return _DEFAULT
    return b"%n%L" if info["name"] else None
