"""The options, as a table: what each is called, and what it changes in the configuration.

Options act in the order in which they are given, as rsync's do: ``-a --no-o`` keeps no owner, ``--no-o -a`` does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

#: ``--archive`` is all of these.
_ARCHIVE = {
    "recursive": True,
    "links": True,
    "perms": True,
    "times": True,
    "group": True,
    "owner": True,
    "devices": True,
    "specials": True,
}


class Flag(NamedTuple):
    """An option without a value. ``sets`` gives fields of CopyConfig; a ``+1`` string counts up."""

    names: tuple[str, ...]
    sets: dict[str, Any]
    help: str
    section: str
    hidden: bool = False


SELECTING, PRESERVING, WRITING, SHOWING, OWN = (
    "What is copied",
    "What is kept of each file",
    "How files are written",
    "What is shown",
    "arsync's own",
)

FLAGS = (
    Flag(("--archive", "-a"), _ARCHIVE, "the same as -rlptgoD", PRESERVING),
    Flag(("--recursive", "-r"), {"recursive": True}, "copy directories and what is in them", SELECTING),
    Flag(("--one-file-system", "-x"), {"one_file_system": True}, "do not cross file system boundaries", SELECTING),
    Flag(("--existing", "--ignore-non-existing"), {"existing": True}, "create nothing, only update", SELECTING),
    Flag(("--ignore-existing",), {"ignore_existing": True}, "update nothing, only create", SELECTING),
    Flag(("--update", "-u"), {"update": True}, "leave files alone that are newer in DEST", SELECTING),
    Flag(("--checksum", "-c"), {"checksum": True}, "compare contents, not size and time", SELECTING),
    Flag(("--ignore-times", "-I"), {"ignore_times": True}, "copy files even if size and time match", SELECTING),
    Flag(("--size-only",), {"size_only": True}, "files of the same size count as unchanged", SELECTING),
    Flag(("--links", "-l"), {"links": True}, "copy symlinks as symlinks", PRESERVING),
    Flag(("--hard-links", "-H"), {"hard_links": True}, "files linked to each other stay so", PRESERVING),
    Flag(("--perms", "-p"), {"perms": True}, "permissions", PRESERVING),
    Flag(("--acls", "-A"), {"acls": True, "perms": True}, "ACLs (implies -p)", PRESERVING),
    Flag(("--xattrs", "-X"), {"xattrs": True}, "extended attributes", PRESERVING),
    Flag(("--owner", "-o"), {"owner": True}, "owner (root only)", PRESERVING),
    Flag(("--group", "-g"), {"group": True}, "group", PRESERVING),
    Flag(("--times", "-t"), {"times": True}, "modification times, to the nanosecond", PRESERVING),
    Flag(("-D",), {"devices": True, "specials": True}, "the same as --devices --specials", PRESERVING),
    Flag(("--devices",), {"devices": True}, "device files (root only)", PRESERVING),
    Flag(("--specials",), {"specials": True}, "fifos and sockets", PRESERVING),
    Flag(("--numeric-ids",), {"numeric_ids": True}, "ids as numbers, not by name", PRESERVING),
    Flag(("--sparse", "-S"), {"sparse": True}, "runs of zeros become holes", WRITING),
    Flag(("--inplace",), {"inplace": True}, "overwrite files instead of replacing them", WRITING),
    Flag(("--whole-file", "-W"), {"whole_file": True}, "copy files whole, as local copies always are", WRITING),
    Flag(("--dry-run", "-n"), {"dry_run": True}, "change nothing, show what would be done", SHOWING),
    Flag(("--verbose", "-v"), {"verbose": "+1"}, "name what is copied; twice: more", SHOWING),
    Flag(("--quiet", "-q"), {"quiet": True}, "show errors only", SHOWING),
    Flag(("--itemize-changes", "-i"), {"itemize": "+1"}, "a line for each change; twice: each file", SHOWING),
    Flag(("--stats",), {"stats": True}, "counts, sizes and how it was done, at the end", SHOWING),
)

#: rsync's ``--no-OPTION``: every option above whose field can be turned off, by its long name and its letter.
NEGATIONS = {
    "recursive": ("--no-recursive", "--no-r"),
    "one_file_system": ("--no-one-file-system", "--no-x"),
    "existing": ("--no-existing", "--no-ignore-non-existing"),
    "ignore_existing": ("--no-ignore-existing",),
    "update": ("--no-update", "--no-u"),
    "checksum": ("--no-checksum", "--no-c"),
    "ignore_times": ("--no-ignore-times", "--no-I"),
    "size_only": ("--no-size-only",),
    "links": ("--no-links", "--no-l"),
    "hard_links": ("--no-hard-links", "--no-H"),
    "perms": ("--no-perms", "--no-p"),
    "acls": ("--no-acls", "--no-A"),
    "xattrs": ("--no-xattrs", "--no-X"),
    "owner": ("--no-owner", "--no-o"),
    "group": ("--no-group", "--no-g"),
    "times": ("--no-times", "--no-t"),
    "devices": ("--no-devices",),
    "specials": ("--no-specials",),
    "numeric_ids": ("--no-numeric-ids",),
    "sparse": ("--no-sparse", "--no-S"),
    "inplace": ("--no-inplace",),
    "whole_file": ("--no-whole-file", "--no-W"),
    "dry_run": ("--no-dry-run", "--no-n"),
    "verbose": ("--no-verbose", "--no-v"),
    "quiet": ("--no-quiet", "--no-q"),
    "itemize": ("--no-itemize-changes", "--no-i"),
    "stats": ("--no-stats",),
}

_COUNTED = ("verbose", "itemize")


def all_flags() -> list[Flag]:
    """The options without a value, with their negations (which --help sums up in one line)."""
    flags = list(FLAGS)
    for field, names in NEGATIONS.items():
        flags.append(Flag(names, {field: 0 if field in _COUNTED else False}, "", OWN, hidden=True))
    flags.append(Flag(("--no-D",), {"devices": False, "specials": False}, "", OWN, hidden=True))
    flags.append(Flag(("--no-archive", "--no-a"), dict.fromkeys(_ARCHIVE, False), "", OWN, hidden=True))
    return flags
