"""The options without a value, as a table."""

from __future__ import annotations

from arsync.cli.table import COMPARING, DELETING, LINKS, OWN, PRESERVING, SELECTING, SHOWING, WRITING, Flag
from arsync.config import Append, DeleteWhen

#: ``--archive`` is all of these. It recurses unless --files-from is given, which only -r itself makes recurse.
_ARCHIVE = {
    "archive": True,
    "links": True,
    "perms": True,
    "times": True,
    "group": True,
    "owner": True,
    "devices": True,
    "specials": True,
}

FLAGS = (
    Flag(("--archive", "-a"), _ARCHIVE, "the same as -rlptgoD", PRESERVING),
    Flag(("--recursive", "-r"), {"recursive": True}, "copy directories and what is in them", SELECTING),
    Flag(("--dirs", "-d"), {"dirs": True}, "copy directories without what is in them", SELECTING),
    Flag(
        ("--old-dirs", "--old-d"),
        {"old_dirs": True},
        "like -d, but DIR/ copies what is in DIR, one level deep",
        SELECTING,
    ),
    Flag(("--relative", "-R"), {"relative": True}, "use the whole paths of the sources at the destination", SELECTING),
    Flag(("--from0", "-0"), {"from0": True}, "lists in files are separated by NUL bytes", SELECTING),
    Flag(
        ("-F",),
        {"filters": ("F", b"")},
        "obey rules in .rsync-filter files; twice: and leave those files out",
        SELECTING,
    ),
    Flag(("--cvs-exclude", "-C"), {"filters": ("cvs-exclude", b"")}, "leave out what CVS would ignore", SELECTING),
    Flag(
        ("--one-file-system", "-x"),
        {"one_file_system": "+1"},
        "stay on one file system; twice: leave out mount points too",
        SELECTING,
    ),
    Flag(("--prune-empty-dirs", "-m"), {"prune_empty_dirs": True}, "make no directories that stay empty", SELECTING),
    Flag(("--existing", "--ignore-non-existing"), {"existing": True}, "create nothing, only update", SELECTING),
    Flag(("--ignore-existing",), {"ignore_existing": True}, "update nothing, only create", SELECTING),
    Flag(("--update", "-u"), {"update": True}, "leave files alone that are newer in DEST", SELECTING),
    Flag(
        ("--remove-source-files", "--remove-sent-files"),
        {"remove_source_files": True},
        "remove what was copied from the source, except directories",
        SELECTING,
    ),
    Flag(("--ignore-missing-args",), {"ignore_missing_args": True}, "a missing SRC is no error", SELECTING),
    Flag(("--delete-missing-args",), {"delete_missing_args": True}, "delete a missing SRC in DEST too", DELETING),
    Flag(("--checksum", "-c"), {"checksum": True}, "compare contents, not size and time", COMPARING),
    Flag(("--ignore-times", "-I"), {"ignore_times": True}, "copy files even if size and time match", COMPARING),
    Flag(("--size-only",), {"size_only": True}, "files of the same size count as unchanged", COMPARING),
    Flag(("--delete",), {"delete": True}, "delete in DEST what SRC does not have", DELETING),
    Flag(("--delete-before",), {"delete_before": True}, "delete before anything is copied", DELETING),
    Flag(
        ("--delete-during", "--del"),
        {"delete_during": True},
        "delete directory by directory (what --delete does)",
        DELETING,
    ),
    Flag(("--delete-delay",), {"delete_delay": True}, "find what to delete meanwhile, delete at the end", DELETING),
    Flag(("--delete-after",), {"delete_after": True}, "find what to delete, and delete it, at the end", DELETING),
    Flag(("--delete-excluded",), {"delete_excluded": True}, "delete excluded files in DEST too", DELETING),
    Flag(("--force",), {"force": True}, "delete directories that are in the way, even full ones", DELETING),
    Flag(("--ignore-errors",), {"ignore_errors": True}, "delete even if SRC could not be read in full", DELETING),
    Flag(("--delete-guard",), {"delete_guard": True}, "refuse to delete all of DEST because SRC is empty", OWN),
    Flag(("--links", "-l"), {"links": True}, "copy symlinks as symlinks", LINKS),
    Flag(("--copy-links", "-L"), {"copy_links": True}, "copy what symlinks point to", LINKS),
    Flag(
        ("--copy-unsafe-links",),
        {"copy_unsafe_links": True},
        "like -L, but only of symlinks that point outside the copied tree",
        LINKS,
    ),
    Flag(("--safe-links",), {"safe_links": True}, "leave out symlinks that point outside the copied tree", LINKS),
    Flag(("--munge-links",), {"munge_links": True}, "make symlinks unusable until copied back", LINKS),
    Flag(("--copy-dirlinks", "-k"), {"copy_dirlinks": True}, "copy directories that symlinks point to", LINKS),
    Flag(("--keep-dirlinks", "-K"), {"keep_dirlinks": True}, "a symlink to a directory in DEST is one", LINKS),
    Flag(("--insecure-links",), {"insecure_links": True}, "follow other users' symlinks in given paths", LINKS),
    Flag(("--hard-links", "-H"), {"hard_links": True}, "files linked to each other stay so", PRESERVING),
    Flag(("--perms", "-p"), {"perms": True}, "permissions", PRESERVING),
    Flag(("--executability", "-E"), {"executability": True}, "whether a file can be executed", PRESERVING),
    Flag(("--acls", "-A"), {"acls": True, "perms": True}, "ACLs (implies -p)", PRESERVING),
    Flag(("--xattrs", "-X"), {"xattrs": "+1"}, "extended attributes", PRESERVING),
    Flag(("--owner", "-o"), {"owner": True}, "owner (root only)", PRESERVING),
    Flag(("--group", "-g"), {"group": True}, "group", PRESERVING),
    Flag(("--numeric-ids",), {"numeric_ids": True}, "ids as numbers, not by name", PRESERVING),
    Flag(("--times", "-t"), {"times": True}, "modification times, to the nanosecond", PRESERVING),
    Flag(("--atimes", "-U"), {"atimes": "+1"}, "access times", PRESERVING),
    Flag(("--open-noatime",), {"open_noatime": True}, "do not change access times by reading", PRESERVING),
    Flag(("--omit-dir-times", "-O"), {"omit_dir_times": True}, "no modification times of directories", PRESERVING),
    Flag(("--omit-link-times", "-J"), {"omit_link_times": True}, "no modification times of symlinks", PRESERVING),
    Flag(("-D",), {"devices": True, "specials": True}, "the same as --devices --specials", PRESERVING),
    Flag(("--devices",), {"devices": True}, "device files (root only)", PRESERVING),
    Flag(("--specials",), {"specials": True}, "fifos and sockets", PRESERVING),
    Flag(("--drop-D",), {"drop_devices": True}, "make no devices, fifos and sockets", PRESERVING),
    Flag(("--copy-devices",), {"copy_devices": True}, "copy what is in devices, into files", PRESERVING),
    Flag(("--write-devices",), {"write_devices": True}, "write into devices (implies --inplace)", PRESERVING),
    Flag(("--super",), {"super_user": True}, "try what only root can", PRESERVING),
    Flag(("--fake-super",), {"fake_super": True}, "keep what only root can set in an attribute", PRESERVING),
    Flag(("--inplace",), {"inplace": True}, "overwrite files instead of replacing them", WRITING),
    Flag(("--append",), {"append": Append.APPEND}, "append to files that are shorter", WRITING),
    Flag(("--append-verify",), {"append": Append.VERIFY}, "like --append, and compare what was there", WRITING),
    Flag(("--whole-file", "-W"), {"whole_file": True}, "copy files whole, as local copies always are", WRITING),
    Flag(("--sparse", "-S"), {"sparse": True}, "runs of zeros become holes", WRITING),
    Flag(("--preallocate",), {"preallocate": True}, "allocate files before they are written", WRITING),
    Flag(("--fsync",), {"fsync": True}, "every file is on the disk before it is reported", WRITING),
    Flag(("--syncfs",), {"syncfs": True}, "all is on the disk before the run is reported as done", OWN),
    Flag(("--verify",), {"verify": True}, "read back what was written before it gets its name", OWN),
    Flag(("--backup", "-b"), {"backup": True}, "keep what is replaced or deleted", WRITING),
    Flag(
        ("--partial",), {"partial": True}, "keep the part of a file that was copied when arsync is interrupted", WRITING
    ),
    Flag(("--delay-updates",), {"delay_updates": True}, "put all files in place at the end", WRITING),
    Flag(("--mkpath",), {"mkpath": True}, "make the directories on the way to DEST", WRITING),
    Flag(("--dry-run", "-n"), {"dry_run": True}, "change nothing, show what would be done", SHOWING),
    Flag(("--verbose", "-v"), {"verbose": "+1"}, "name what is copied; twice: more", SHOWING),
    Flag(("--quiet", "-q"), {"quiet": "+1"}, "show errors only", SHOWING),
    Flag(("--itemize-changes", "-i"), {"itemize": "+1"}, "a line for each change; twice: each file", SHOWING),
    Flag(("--stats",), {"stats": True}, "counts, sizes and how it was done, at the end", SHOWING),
    Flag(("--progress",), {"progress": True}, "how far each file is", SHOWING),
    Flag(("-P",), {"partial": True, "progress": True}, "the same as --partial --progress", SHOWING),
    Flag(("--human-readable", "-h"), {"human_readable": "+1"}, "sizes in units of 1000; twice: of 1024", SHOWING),
    Flag(("--8-bit-output", "-8"), {"eight_bit_output": True}, "show names as they are", SHOWING),
    Flag(("--list-only",), {"list_only": True}, "list the sources instead of copying them", SHOWING),
    Flag(("--msgs2stderr",), {"stderr": "all"}, "the same as --stderr=all", SHOWING, hidden=True),
)

#: rsync's ``--no-OPTION``: every option above whose field can be turned off, by its long name and its letter.
NEGATIONS = {
    "dirs": ("--no-dirs", "--no-d"),
    "relative": ("--no-relative", "--no-R"),
    "from0": ("--no-from0",),
    "one_file_system": ("--no-one-file-system", "--no-x"),
    "prune_empty_dirs": ("--no-prune-empty-dirs", "--no-m"),
    "existing": ("--no-existing", "--no-ignore-non-existing"),
    "ignore_existing": ("--no-ignore-existing",),
    "update": ("--no-update", "--no-u"),
    "checksum": ("--no-checksum", "--no-c"),
    "ignore_times": ("--no-ignore-times", "--no-I"),
    "size_only": ("--no-size-only",),
    "force": ("--no-force",),
    "ignore_errors": ("--no-ignore-errors",),
    "links": ("--no-links", "--no-l"),
    "munge_links": ("--no-munge-links",),
    "insecure_links": ("--no-insecure-links",),
    "hard_links": ("--no-hard-links", "--no-H"),
    "perms": ("--no-perms", "--no-p"),
    "acls": ("--no-acls", "--no-A"),
    "xattrs": ("--no-xattrs", "--no-X"),
    "owner": ("--no-owner", "--no-o"),
    "group": ("--no-group", "--no-g"),
    "times": ("--no-times", "--no-t"),
    "atimes": ("--no-atimes", "--no-U"),
    "open_noatime": ("--no-open-noatime",),
    "omit_dir_times": ("--no-omit-dir-times", "--no-O"),
    "omit_link_times": ("--no-omit-link-times", "--no-J"),
    "devices": ("--no-devices",),
    "specials": ("--no-specials",),
    "drop_devices": ("--no-drop-D",),
    "write_devices": ("--no-write-devices",),
    "super_user": ("--no-super",),
    "numeric_ids": ("--no-numeric-ids",),
    "sparse": ("--no-sparse", "--no-S"),
    "inplace": ("--no-inplace",),
    "append": ("--no-append",),
    "whole_file": ("--no-whole-file", "--no-W"),
    "backup": ("--no-backup", "--no-b"),
    "partial": ("--no-partial",),
    "delay_updates": ("--no-delay-updates",),
    "mkpath": ("--no-mkpath",),
    "dry_run": ("--no-dry-run", "--no-n"),
    "verbose": ("--no-verbose", "--no-v"),
    "quiet": ("--no-quiet", "--no-q"),
    "itemize": ("--no-itemize-changes", "--no-i"),
    "stats": ("--no-stats",),
    "progress": ("--no-progress",),
    "human_readable": ("--no-human-readable", "--no-h"),
    "eight_bit_output": ("--no-8-bit-output", "--no-8"),
}

_OFF = {"append": Append.NO} | dict.fromkeys(
    ("verbose", "quiet", "itemize", "atimes", "xattrs", "one_file_system", "human_readable"), 0
)

#: Negations that turn off more, or other, than one field.
_MORE_NEGATIONS = (
    Flag(("--no-recursive", "--no-r"), {"recursive": False, "archive": False}, "", OWN, hidden=True),
    Flag(("--no-D",), {"devices": False, "specials": False}, "", OWN, hidden=True),
    Flag(("--no-archive", "--no-a"), dict.fromkeys(_ARCHIVE, False), "", OWN, hidden=True),
    Flag(("--no-implied-dirs", "--no-i-d"), {"implied_dirs": False}, "", OWN, hidden=True),
    Flag(("--implied-dirs", "--i-d"), {"implied_dirs": True}, "", OWN, hidden=True),
    Flag(("--no-lock",), {"lock": None}, "", OWN, hidden=True),
    Flag(("--no-timeout",), {"timeout": 0}, "", OWN, hidden=True),
    Flag(("--no-bwlimit",), {"bwlimit": 0}, "", OWN, hidden=True),
    Flag(("--no-msgs2stderr",), {"stderr": "client"}, "", OWN, hidden=True),
)

#: The --delete-WHEN options, of which at most one may be given; --delete alone means the first.
WHEN = {
    "delete_during": DeleteWhen.DURING,
    "delete_before": DeleteWhen.BEFORE,
    "delete_delay": DeleteWhen.DELAY,
    "delete_after": DeleteWhen.AFTER,
}


def negations() -> list[Flag]:
    """The options that turn others off (which --help sums up in one line)."""
    flags = [Flag(names, {field: _OFF.get(field, False)}, "", OWN, hidden=True) for field, names in NEGATIONS.items()]
    return [*flags, *_MORE_NEGATIONS]
