"""The flags of --info and --debug: their names, what -v means among them, and what a command line makes of them."""

from __future__ import annotations

from collections.abc import Iterable

from arsync.config import CopyConfig

#: name: what it is about. ``reason`` is arsync's own; the others are rsync's.
INFO = {
    "backup": "Mention files backed up",
    "copy": "Accepted as rsync's; there is no such message in arsync",
    "del": "Mention deletions in DEST",
    "flist": "Mention that the list of files is made",
    "misc": "Mention miscellaneous information (levels 1-2)",
    "mount": "Accepted as rsync's; there is no such message in arsync",
    "name": "Mention 1) updated file/dir names, 2) unchanged names",
    "nonreg": "Mention skipped non-regular files (default 1, 0 disables)",
    "progress": "Mention 1) per-file progress or 2) total transfer progress",
    "reason": "Mention why each file is copied",
    "remove": "Mention files removed from SRC",
    "skip": "Mention files skipped due to transfer overrides (levels 1-2)",
    "stats": "Mention statistics at end of run (levels 1-3)",
    "symsafe": "Mention symlinks that are unsafe",
}

#: What -v, -vv and so on set.
INFO_AT = (
    "nonreg",
    "copy,del,flist,misc,name,stats,symsafe",
    "backup,misc2,mount,name2,reason,remove,skip",
)

#: rsync's debug flags. Only some of what they are about exists here: see :data:`DEBUG_ACTS`.
DEBUG = (
    *("acl", "backup", "bind", "chdir", "connect", "cmd", "del", "deltasum", "dup", "exit", "filter", "flist"),
    *("fuzzy", "genr", "hash", "hlink", "iconv", "io", "nstr", "own", "proto", "recv", "send", "time"),
)

#: What those that act show.
DEBUG_ACTS = {
    "del": "Say which directories are looked through before or after the copy (--delete-before, --delete-after)",
    "deltasum": "Say how much was copied",
    "filter": "Say which rule leaves a file of the source out, or lets it in",
    "exit": "Say with which exit code the run ends",
    "flist": "Say that files are copied whole",
    "io": "Say how each worker did its work",
}

DEBUG_AT = ("", "", "del,deltasum,filter,flist,io", "exit")

#: The largest level that means anything.
_MOST = 9


class UnknownFlagError(ValueError):
    """A flag that does not exist; the text is its name."""


def help_wanted(flags: Iterable[str]) -> bool:
    """Whether ``--info=help`` was given."""
    return any(word.lower() == "help" for flag in flags for word in flag.split(","))


def _split(word: str) -> tuple[str, int]:
    name = word.rstrip("0123456789")
    level = word[len(name) :]
    return name.lower(), min(int(level), _MOST) if level else 1


def apply(levels: dict[str, int], words: str) -> None:
    """Change levels as one value of --info or --debug says. Raises UnknownFlagError.

    >>> levels = dict.fromkeys(INFO, 0); apply(levels, "name2,DEL"); levels["name"], levels["del"]
    (2, 1)
    """
    for word in words.split(","):
        if not word:
            continue
        name, level = _split(word)
        if name == "none":
            levels.update(dict.fromkeys(levels, 0))
        elif name == "all":
            levels.update(dict.fromkeys(levels, level))
        elif name in levels:
            levels[name] = level
        else:
            raise UnknownFlagError(word)


def _raise_to(levels: dict[str, int], words: str) -> None:
    wanted = dict.fromkeys(levels, 0)
    apply(wanted, words)
    for name, level in wanted.items():
        levels[name] = max(levels[name], level)


def info_levels(config: CopyConfig) -> dict[str, int]:
    """The level of each info flag: first what -v, --stats and --progress set, then --info in order.

    Raises UnknownFlagError.
    """
    levels = dict.fromkeys(INFO, 0)
    for words in INFO_AT[: config.verbose + 1]:
        _raise_to(levels, words)
    if config.stats:
        # As rsync has it: --stats shows more with each -v.
        levels["stats"] = max(2, min(3, config.verbose + 1))
    if config.progress:
        _raise_to(levels, "progress" if config.progress_bar or config.json else "flist2,name,progress")
    for words in config.info:
        apply(levels, words)
    return levels


def debug_levels(config: CopyConfig) -> dict[str, int]:
    """The level of each debug flag. Raises UnknownFlagError."""
    levels = dict.fromkeys(DEBUG, 0)
    for words in DEBUG_AT[: config.verbose + 1]:
        _raise_to(levels, words)
    for words in config.debug:
        apply(levels, words)
    return levels
