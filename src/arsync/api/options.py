"""The options of a copy as keyword arguments: their names and types, for type checkers and editors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypedDict

#: A path as the functions of ``os`` take them. ``str`` is encoded with os.fsencode, so every name can be said.
StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

#: A pattern or a filter rule, which may hold any bytes.
Rule = str | bytes

#: Bytes, as an int or as the command line writes them: "512K", "1.5G".
Size = int | str


class CopyOptions(TypedDict, total=False):
    """The options of ``copy`` and ``acopy``: rsync's long options with underscores, and their types.

    They mean what they mean on the command line. None of them has to be there.

    Examples:
        >>> import arsync
        >>> nightly: arsync.CopyOptions = {"archive": True, "delete": "delay", "max_size": "1G"}
        >>> arsync.copy("project/", "backup", **nightly).ok
        True
    """

    # What is copied
    recursive: bool
    dirs: bool
    old_dirs: bool
    relative: bool
    implied_dirs: bool
    files_from: StrOrBytesPath
    from0: bool
    filter: Rule | Sequence[Rule]
    exclude: Rule | Sequence[Rule]
    include: Rule | Sequence[Rule]
    exclude_from: StrOrBytesPath | Sequence[StrOrBytesPath]
    include_from: StrOrBytesPath | Sequence[StrOrBytesPath]
    cvs_exclude: bool
    one_file_system: bool | int
    prune_empty_dirs: bool
    max_size: Size
    min_size: Size
    existing: bool
    ignore_existing: bool
    update: bool
    remove_source_files: bool
    ignore_missing_args: bool

    # What counts as unchanged
    checksum: bool
    checksum_choice: str
    ignore_times: bool
    size_only: bool
    modify_window: int
    compare_dest: StrOrBytesPath | Sequence[StrOrBytesPath]
    copy_dest: StrOrBytesPath | Sequence[StrOrBytesPath]
    link_dest: StrOrBytesPath | Sequence[StrOrBytesPath]

    # What is deleted
    delete: bool | Literal["before", "during", "delay", "after"]
    delete_before: bool
    delete_during: bool
    delete_delay: bool
    delete_after: bool
    delete_excluded: bool
    delete_missing_args: bool
    delete_guard: bool
    max_delete: int | str
    force: bool
    ignore_errors: bool

    # Symlinks
    links: bool
    copy_links: bool
    copy_unsafe_links: bool
    safe_links: bool
    munge_links: bool
    copy_dirlinks: bool
    keep_dirlinks: bool
    insecure_links: bool
    confine_root: StrOrBytesPath

    # What is kept of each file
    archive: bool
    hard_links: bool
    perms: bool
    executability: bool
    chmod: str | Sequence[str]
    acls: bool
    xattrs: bool | int
    owner: bool
    group: bool
    chown: str
    usermap: str
    groupmap: str
    numeric_ids: bool
    times: bool
    atimes: bool | int
    open_noatime: bool
    omit_dir_times: bool
    omit_link_times: bool
    devices: bool
    specials: bool
    drop_D: bool
    copy_devices: bool
    write_devices: bool
    super: bool
    fake_super: bool

    # How files are written
    dry_run: bool
    inplace: bool
    append: bool
    append_verify: bool
    whole_file: bool
    sparse: bool
    preallocate: bool
    fsync: bool
    lock: bool | StrOrBytesPath
    syncfs: bool
    verify: bool
    backup: bool
    backup_dir: StrOrBytesPath
    suffix: str | bytes
    partial: bool
    partial_dir: StrOrBytesPath
    delay_updates: bool
    temp_dir: StrOrBytesPath
    mkpath: bool
    bwlimit: int | str
    timeout: int
    stop_after: int
    stop_at: str

    # What is written down
    log_file: StrOrBytesPath
    log_file_format: str | bytes

    # How it is done
    io_engine: Literal["auto", "uring", "plain"]
    workers: int
    queue_depth: int
    buffer_size: Size
    copy_method: Literal["auto", "reflink", "copy_file_range", "read-write", "mmap"]
