"""From what the options said to a configuration: what follows from what, and what contradicts what."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Iterable
from typing import Any

from arsync.config import DELAYED_DIR, Append, CopyConfig, CopyMethod, DeleteWhen, is_shared
from arsync.errors import ExitCode, UsageError
from arsync.fs.symlinks import MUNGED
from arsync.options.flags import WHEN
from arsync.options.ignored import converts_names
from arsync.options.refused import is_remote
from arsync.options.table import Fields

#: Alternative trees of one run, as many as rsync takes.
MOST_ALT_DIRS = 20


def check_arguments(paths: Iterable[bytes]) -> None:
    """Raise UsageError for a path that cannot be meant."""
    for path in paths:
        if is_remote(path):
            raise UsageError(
                f'"{os.fsdecode(path)}" is on another machine: arsync copies on this one only, use rsync for that '
                f"(a local name with a colon is written ./NAME)",
                ExitCode.UNSUPPORTED,
            )
        if not path:
            raise UsageError("an argument is empty; the current directory is written .")


def configuration(fields: Fields, sources: tuple[bytes, ...], dest: bytes) -> CopyConfig:
    """The configuration of a run. Raises UsageError."""
    fields = dict(fields)
    _infer_listing(fields)
    _infer_progress(fields)
    _infer_selection(fields)
    _infer_deletion(fields)
    _infer_writing(fields)
    _infer_metadata(fields)
    _check_names(fields)
    known = CopyConfig._fields
    config = CopyConfig(sources, dest, **{name: value for name, value in fields.items() if name in known})
    _check(config, fields)
    return config


def _infer_listing(fields: Fields) -> None:
    if "human_readable" in fields:
        fields["human_readable"] = min(3, fields["human_readable"])
    if fields.get("list_only"):
        # Nothing is written; a directory is an entry like others where it is not to be descended into.
        fields["trial"] = bool(fields.get("dry_run"))
        fields["dry_run"] = True
        fields["existing"] = False  # there is nothing that could be missing
        if fields.get("lock") == b"":
            raise UsageError("--lock locks DEST, which a listing has none of; --lock=FILE locks a file")
        if not (fields.get("recursive") or fields.get("archive")):
            fields.setdefault("dirs", True)


def _infer_progress(fields: Fields) -> None:
    """Whether progress is drawn, if there is any: where what is told goes to a terminal that can."""
    style = fields.get("progress_style", "auto")
    if fields.get("json") or fields.get("dry_run"):  # a dry run is over at once, and its lines are what it is for
        return
    if style != "auto":
        fields["progress_bar"] = style == "bar"
    elif fields.get("progress") or fields.get("info"):
        out = sys.stderr if fields.get("stderr") == "all" else sys.stdout
        fields["progress_bar"] = out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


def _infer_selection(fields: Fields) -> None:
    listed = fields.get("files_from") is not None
    if fields.get("archive") and not listed:
        fields["recursive"] = True
    if listed:
        fields.setdefault("relative", True)
        if not fields.get("recursive"):
            fields.setdefault("dirs", True)
    if fields.get("old_dirs"):
        fields["dirs"], fields["recursive"] = True, False
    if fields.get("delete_missing_args"):
        fields["ignore_missing_args"] = True


def _infer_deletion(fields: Fields) -> None:
    given = [name for name in WHEN if fields.get(name)]
    if {"delete_during", "delete_delay"} == set(given):
        given = ["delete_delay"]
    if len(given) > 1:
        names = " and ".join("--" + name.replace("_", "-") for name in given)
        raise UsageError(f"{names} cannot be used together: each says when to delete")
    if given:
        fields["delete"] = WHEN[given[0]]
    else:
        wanted = fields.get("delete") or fields.get("delete_excluded")
        fields["delete"] = DeleteWhen.DURING if wanted else DeleteWhen.NEVER


def _infer_writing(fields: Fields) -> None:
    if fields.get("append", Append.NO) is not Append.NO:
        if fields.get("whole_file"):
            raise UsageError("--append cannot be used with --whole-file")
        _check_inplace(fields, "--append")
        fields["inplace"] = True
    if fields.get("write_devices"):
        fields["inplace"] = True
    if fields.get("inplace"):
        _check_inplace(fields, "--inplace")
    _infer_partial(fields)
    if fields.get("backup_dir") is not None:
        fields["backup"] = True
    elif fields.get("suffix") == b"":
        raise UsageError("--suffix cannot be empty without a --backup-dir")
    if fields.get("backup"):
        _infer_backup(fields)


def _check_inplace(fields: Fields, option: str) -> None:
    for other, given in (("partial-dir", fields.get("partial_dir")), ("delay-updates", fields.get("delay_updates"))):
        if given:
            raise UsageError(f"{option} cannot be used with --{other}")


def _infer_partial(fields: Fields) -> None:
    """--partial-dir implies --partial; a place for parts that is in each directory is itself not copied."""
    partial_dir = fields.get("partial_dir")
    from_environment = os.environb.get(b"RSYNC_PARTIAL_DIR")
    if partial_dir is not None:
        fields["partial"] = True
    elif fields.get("partial") and not fields.get("inplace") and not fields.get("delay_updates") and from_environment:
        partial_dir = from_environment
    if partial_dir is not None and posixpath.normpath(partial_dir) == b".":
        partial_dir = None  # the destination's own directory, which is where parts are kept anyhow
    fields["partial_dir"] = partial_dir
    place = partial_dir or b""
    if fields.get("delay_updates") and (not place or is_shared(place)):
        place = DELAYED_DIR
    if place and not place.startswith(b"/"):
        _add_filter(fields, b"-p " + place.rstrip(b"/") + b"/")


def _infer_backup(fields: Fields) -> None:
    """What backups are called, and that they are neither what makes directories differ nor deleted."""
    directory, suffix = fields.get("backup_dir"), fields.get("suffix")
    if not suffix and directory is not None and posixpath.normpath(directory) == b".":
        raise UsageError("--suffix cannot be empty when --backup-dir is the same as the dest dir")
    fields["suffix"] = suffix = (b"~" if directory is None else b"") if suffix is None else suffix
    if directory is None:
        fields["omit_dir_times"] = True
        if fields.get("delete") is not DeleteWhen.NEVER and not fields.get("delete_excluded"):
            _add_filter(fields, b"P *" + suffix)


def _add_filter(fields: Fields, rule: bytes) -> None:
    """A rule behind all others."""
    fields["filters"] = (*fields.get("filters", ()), ("filter", rule))


def _infer_metadata(fields: Fields) -> None:
    if fields.get("atimes", 0) > 1:
        fields["open_noatime"] = True
    if fields.get("super_user") is not None:
        fields["fake_super"] = False
    if fields.get("fake_super") and fields.get("xattrs", 0) > 1:
        raise UsageError("--fake-super conflicts with -XX")
    fields["checksum_choice"] = _one_hash(fields.get("checksum_choice", ""), whole_files=bool(fields.get("checksum")))
    if fields.get("verify"):
        _check_verify(fields)
    _check_shown_checksum(fields)
    if fields.get("checksum") and fields.get("checksum_choice") == "none":
        raise UsageError("--checksum-choice=none cannot be used with --checksum", ExitCode.UNSUPPORTED)


def _one_hash(choice: str, *, whole_files: bool) -> str:
    """Of two names the first is for what is copied, the second for -c; beside another name, ``auto`` is md5."""
    first, comma, second = choice.partition(",")
    if not comma or first == second:
        return first
    name = second if whole_files else first
    return "md5" if name == "auto" else name


def _check_verify(fields: Fields) -> None:
    method, choice = fields.get("copy_method", CopyMethod.AUTO), fields.get("checksum_choice", "")
    if method not in (CopyMethod.AUTO, CopyMethod.READ_WRITE):
        raise UsageError(f"--copy-method={method.value} cannot be used with --verify, which looks at what it copies")
    _check_hash(choice, "--verify")


def _check_shown_checksum(fields: Fields) -> None:
    """A name that is asked for is not another's checksum; nothing is looked at where none is shown."""
    choice = fields.get("checksum_choice", "")
    if choice not in ("", "none"):
        from arsync.reporting import letters

        for field in ("out_format", "log_file_format"):
            if "C" in letters(fields.get(field)):
                _check_hash(choice, f"%C of --{field.replace('_', '-')}")


def _check_hash(choice: str, what: str) -> None:
    from arsync.fs.hashes import new_hash

    if new_hash(choice) is None:
        more = ": pip install xxhash" if choice.startswith("xxh") else ""
        raise UsageError(
            f"--checksum-choice={choice} cannot be used with {what}: this Python has no such checksum{more}",
            ExitCode.UNSUPPORTED,
        )


def _check_names(fields: Fields) -> None:
    charsets = fields.get("iconv", os.environ.get("RSYNC_ICONV", ""))
    if converts_names(charsets):
        option = f"--iconv={charsets}" if "iconv" in fields else f"RSYNC_ICONV={charsets}"
        raise UsageError(
            f"{option} is refused: names are copied byte for byte; convmv(1) converts them, or use rsync for that",
            ExitCode.UNSUPPORTED,
        )


def _check(config: CopyConfig, fields: Fields) -> None:
    if config.munge_links and os.path.isdir(MUNGED):
        raise UsageError("--munge-links makes no sense where the directory /rsyncd-munged exists", ExitCode.UNSUPPORTED)
    listed = config.files_from
    contradictions: list[tuple[Any, str]] = [
        (
            listed is not None and len(config.sources) != 1,
            "--files-from needs exactly one SRC, where its paths begin, and a DEST",
        ),
        (
            listed is not None and (listed.startswith(b":") or is_remote(listed)),
            "--files-from cannot name a file on another machine (a local name with a colon is written ./NAME)",
        ),
        (
            config.delete is not DeleteWhen.NEVER and not (config.recursive or config.dirs),
            "--delete does not work without --recursive (-r) or --dirs (-d)",
        ),
        (
            config.json and config.out_format is not None,
            "--out-format cannot be used with --json, whose objects have all that a format could show",
        ),
        (
            config.json and config.stderr == "all",
            "--stderr=all cannot be used with --json: its objects go to stdout, and nothing else does",
        ),
        (
            config.json and "progress_style" in fields,
            "--progress-style cannot be used with --json: progress comes as objects",
        ),
        (
            config.insecure_links and config.confine_root is not None,
            "--insecure-links cannot be used with --confine-root: it would confine nothing",
        ),
        (len(config.alt_dirs) > MOST_ALT_DIRS, f"at most {MOST_ALT_DIRS} --{config.alt_dest.value}-dest directories"),
    ]
    for found, message in contradictions:
        if found:
            raise UsageError(message)
