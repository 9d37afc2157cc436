"""From what the options said to a configuration: what follows from what, and what contradicts what."""

from __future__ import annotations

import os
from typing import Any

from arsync.cli.flags import WHEN
from arsync.cli.refused import is_remote
from arsync.cli.table import Fields
from arsync.config import Append, CopyConfig, DeleteWhen
from arsync.errors import ExitCode, UsageError


def configuration(fields: Fields, sources: tuple[bytes, ...], dest: bytes) -> CopyConfig:
    """The configuration of a run. Raises UsageError."""
    fields = dict(fields)
    _infer_selection(fields)
    _infer_deletion(fields)
    _infer_writing(fields)
    _infer_metadata(fields)
    known = CopyConfig._fields
    config = CopyConfig(sources, dest, **{name: value for name, value in fields.items() if name in known})
    _check(config, fields)
    return config


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
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise UsageError(f"only one of {names} can be meant: they say when to delete")
    if given:
        fields["delete"] = WHEN[given[0]]
    else:
        wanted = fields.get("delete") or fields.get("delete_excluded")
        fields["delete"] = DeleteWhen.DURING if wanted else DeleteWhen.NEVER


def _infer_writing(fields: Fields) -> None:
    if fields.get("backup_dir") is not None:
        fields["backup"] = True
    if fields.get("partial_dir") is not None:
        fields["partial"] = True
    elif fields.get("partial") and not fields.get("inplace") and os.environb.get(b"RSYNC_PARTIAL_DIR"):
        fields["partial_dir"] = os.environb[b"RSYNC_PARTIAL_DIR"]
    if fields.get("append", Append.NO) is not Append.NO:
        if fields.get("whole_file"):
            raise UsageError("--append cannot be used with --whole-file")
        fields["inplace"] = True
    if fields.get("write_devices"):
        fields["inplace"] = True


def _infer_metadata(fields: Fields) -> None:
    if fields.get("atimes", 0) > 1:
        fields["open_noatime"] = True
    if fields.get("super_user") is not None:
        fields["fake_super"] = False
    if fields.get("fake_super") and fields.get("xattrs", 0) > 1:
        raise UsageError("--fake-super conflicts with -XX")
    if fields.get("checksum") and fields.get("checksum_choice") == "none":
        raise UsageError("--checksum-choice=none cannot be used with --checksum", ExitCode.UNSUPPORTED)


def _check(config: CopyConfig, fields: Fields) -> None:
    listed = config.files_from
    contradictions: list[tuple[Any, str]] = [
        (listed is not None and len(config.sources) != 1, "--files-from needs exactly one SRC, where its paths begin"),
        (
            listed is not None and (listed.startswith(b":") or is_remote(listed)),
            "--files-from cannot name a file on another machine (a local name with a colon is written ./NAME)",
        ),
        (
            config.delete is not DeleteWhen.NEVER and not (config.recursive or config.dirs),
            "--delete does not work without --recursive (-r) or --dirs (-d)",
        ),
        (config.inplace and config.partial_dir is not None, "--inplace cannot be used with --partial-dir"),
        (config.inplace and config.delay_updates, "--inplace cannot be used with --delay-updates"),
    ]
    for found, message in contradictions:
        if found:
            raise UsageError(message)
