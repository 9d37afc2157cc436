"""The options with a value, as a table."""

from __future__ import annotations

from arsync import levels
from arsync.config import AltDest, CopyMethod, IoEngine
from arsync.options import take
from arsync.options.table import (
    COMPARING,
    DELETING,
    LINKS,
    OWN,
    PRESERVING,
    SELECTING,
    SHOWING,
    WRITING,
    Value,
)

#: What --buffer-size may be: a page at least, and no more than what is sensibly kept in memory per lane.
_BUFFER_RANGE = (4096, 64 << 20)

VALUES = (
    Value(("--files-from",), "FILE", take.files_from, "copy what FILE names (-: stdin)", SELECTING),
    Value(("--filter", "-f"), "RULE", take.filter_rule("filter"), "add a filter rule", SELECTING),
    Value(("--exclude",), "PATTERN", take.filter_rule("exclude"), "leave out what matches", SELECTING),
    Value(
        ("--exclude-from",),
        "FILE",
        take.filter_rule("exclude-from"),
        "leave out what matches a pattern in FILE",
        SELECTING,
    ),
    Value(
        ("--include",),
        "PATTERN",
        take.filter_rule("include"),
        "do not leave out what matches, whatever is excluded after it",
        SELECTING,
    ),
    Value(
        ("--include-from",),
        "FILE",
        take.filter_rule("include-from"),
        "do not leave out what matches a pattern in FILE",
        SELECTING,
    ),
    Value(("--max-size",), "SIZE", take.size("max_size"), "leave out files that are larger", SELECTING),
    Value(("--min-size",), "SIZE", take.size("min_size"), "leave out files that are smaller", SELECTING),
    Value(
        ("--checksum-choice", "--cc"),
        "NAME",
        take.checksum_choice,
        "the hash of %C and --verify; -c compares contents themselves",
        COMPARING,
    ),
    Value(
        ("--modify-window", "-@"),
        "SECONDS",
        take.number("modify_window"),
        "times that differ by no more count as equal",
        COMPARING,
    ),
    Value(
        ("--compare-dest",),
        "DIR",
        take.alt_dest(AltDest.COMPARE),
        "leave out what DIR has unchanged already",
        COMPARING,
    ),
    Value(("--copy-dest",), "DIR", take.alt_dest(AltDest.COPY), "copy from DIR what it has unchanged", COMPARING),
    Value(("--link-dest",), "DIR", take.alt_dest(AltDest.LINK), "make hard links to what DIR has unchanged", COMPARING),
    Value(("--max-delete",), "N[%]", take.max_delete, "delete no more than N entries, or N% of DEST's", DELETING),
    Value(("--confine-root",), "DIR", take.confine_root, "refuse given paths that lead outside of DIR", LINKS),
    Value(("--chmod",), "CHANGES", take.chmod, "change the permissions that are copied", PRESERVING),
    Value(("--chown",), "USER:GROUP", take.chown, "give copies this owner and group", PRESERVING),
    Value(
        ("--usermap",),
        "FROM:TO,...",
        take.id_map("usermap", "owner"),
        "translate owners: names, ids, ranges, *",
        PRESERVING,
    ),
    Value(
        ("--groupmap",),
        "FROM:TO,...",
        take.id_map("groupmap", "group"),
        "translate groups: names, ids, ranges, *",
        PRESERVING,
    ),
    Value(("--backup-dir",), "DIR", take.raw("backup_dir"), "where to keep what is replaced (implies -b)", WRITING),
    Value(("--suffix",), "SUFFIX", take.suffix, "what is added to their names (~; nothing in --backup-dir)", WRITING),
    Value(
        ("--partial-dir",),
        "DIR",
        take.path("partial_dir"),
        "keep parts of files in DIR, beside the file or absolute",
        WRITING,
    ),
    Value(("--temp-dir", "-T"), "DIR", take.raw("temp_dir"), "where files are until they are complete", WRITING),
    Value(("--bwlimit",), "RATE", take.bwlimit, "copy no more than so many KiB a second", WRITING),
    Value(("--timeout",), "SECONDS", take.timeout, "end when nothing could be done for so long", WRITING),
    Value(("--stop-after", "--time-limit"), "MINUTES", take.stop_after, "stop after so many minutes", WRITING),
    Value(("--stop-at",), "y-m-dTh:m", take.stop_at, "stop at this time", WRITING),
    Value(("--info",), "FLAGS", take.flags("info", levels.INFO), "what to tell (--info=help lists it)", SHOWING),
    Value(
        ("--debug",),
        "FLAGS",
        take.flags("debug", levels.DEBUG),
        "what to tell of inner workings (--debug=help lists it)",
        SHOWING,
    ),
    Value(
        ("--out-format", "--log-format"),
        "FORMAT",
        take.raw("out_format"),
        "a line like this for each change: %i what, %n name, %l size",
        SHOWING,
    ),
    Value(("--log-file",), "FILE", take.path("log_file"), "write to FILE what is done, with the time", SHOWING),
    Value(
        ("--log-file-format",),
        "FORMAT",
        take.raw("log_file_format"),
        "--out-format of the lines in the log file",
        SHOWING,
    ),
    Value(
        ("--progress-style",),
        "auto|bar|plain",
        take.one_of("progress_style", ("auto", "bar", "plain")),
        "draw progress (bar), or write rsync's lines (plain)",
        OWN,
    ),
    Value(("--outbuf",), "N|L|B", take.outbuf, "write lines one by one (N, L), or in blocks (B)", SHOWING),
    Value(("--stderr",), "e|a|c", take.stderr, "what goes to stderr: errors, or all", SHOWING),
    Value(
        ("--lock",),
        "FILE",
        take.raw("lock"),
        "refuse to begin (exit code 75) while another run has locked DEST, or FILE",
        OWN,
        optional=True,
    ),
    Value(
        ("--io-engine",), "auto|uring|plain", take.choice("io_engine", IoEngine), "io_uring where it pays (auto)", OWN
    ),
    Value(("--workers",), "N", take.number("workers", 0, 1024), "worker processes; 0: one for each usable CPU", OWN),
    Value(
        ("--queue-depth",),
        "N",
        take.number("queue_depth", 1, 4096),
        "files in flight in each worker where storage waits (64)",
        OWN,
    ),
    Value(
        ("--buffer-size",),
        "SIZE",
        take.size("buffer_size", *_BUFFER_RANGE),
        "bytes of one read or write of large files (1M)",
        OWN,
    ),
    Value(
        ("--copy-method",),
        "METHOD",
        take.choice("copy_method", CopyMethod),
        "auto, reflink, copy_file_range, read-write or mmap; what cannot gives way to the next",
        OWN,
    ),
)
