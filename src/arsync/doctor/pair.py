"""What can be done between two paths, found by doing it: the source is only read."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from arsync.doctor.findings import Finding, attempt, reason
from arsync.doctor.place import Place
from arsync.doctor.scratch import link_to, scratch_directory, scratch_file
from arsync.fs.copy import FICLONE

#: What is copied: a few blocks of any file system.
_SIZE = 1 << 16

NAMES = {
    "reflink": "cloning (reflink)",
    "copy_file_range": "copying in the kernel (copy_file_range)",
    "hard_links": "hard links between them (--link-dest)",
}

#: Entries of a source directory among which a file is looked for, where none can be made in it.
_LOOKED_AT = 1000


def examine_pair(source: Place, dest: Place, writable: tuple[bool, bool]) -> dict[str, Any]:
    """The part of the report about copying from one path to another; ``writable``: source, destination."""
    names = {"source": os.fsdecode(source.path), "destination": os.fsdecode(dest.path)}
    same = os.fstat(source.fd).st_dev == os.fstat(dest.fd).st_dev
    if not writable[1]:
        findings = dict.fromkeys(NAMES, Finding(None, "the destination cannot be written to"))
    else:
        try:
            findings = _try(source, dest, writable[0])
        except OSError as error:
            findings = dict.fromkeys(NAMES, Finding(None, reason(error)))
    return {
        **names,
        "same_file_system": same,
        "abilities": {key: finding._asdict() for key, finding in findings.items()},
    }


def _try(source: Place, dest: Place, may_write: bool) -> dict[str, Finding]:
    with _source_file(source, may_write) as (src, own), scratch_file(dest.fd) as dst:
        if src < 0:
            return dict.fromkeys(NAMES, Finding(None, "there is no file to read at the source, and none can be made"))
        found = {
            "reflink": attempt(lambda: fcntl.ioctl(dst, FICLONE, src)),
            "copy_file_range": attempt(lambda: _copy_range(src, dst)),
        }
        if not own:
            return found | {"hard_links": Finding(None, "nothing can be made at the source")}
        with scratch_directory(dest.fd) as (_, inner):
            found["hard_links"] = attempt(lambda: link_to(src, inner, b"link"))
        return found


def _copy_range(src: int, dst: int) -> bool:
    return os.copy_file_range(src, dst, _SIZE, 0, 0) > 0


@contextmanager
def _source_file(source: Place, may_write: bool) -> Iterator[tuple[int, bool]]:
    """A file with data on the source's file system, and whether it is our own; -1 where there is none."""
    if may_write:
        with scratch_file(source.fd) as fd:
            os.pwrite(fd, os.urandom(_SIZE), 0)
            yield fd, True
        return
    fd = _existing_file(source)
    try:
        yield fd, False
    finally:
        if fd >= 0:
            os.close(fd)


def _existing_file(source: Place) -> int:
    """Somebody's file that may be read: nothing of it is changed, not even its access time where that can be helped."""
    names = [source.path] if source.is_file else _some_names(source.fd)
    for name in names:
        for noatime in (os.O_NOATIME, 0):
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | noatime
                fd = os.open(name, flags, dir_fd=None if source.is_file else source.fd)
            except OSError:
                continue  # another one may do
            st = os.fstat(fd)
            if stat.S_ISREG(st.st_mode) and st.st_size:
                return fd
            os.close(fd)
            break
    return -1


def _some_names(dir_fd: int) -> list[bytes]:
    with os.scandir(dir_fd) as entries:
        return [os.fsencode(entry.name) for _, entry in zip(range(_LOOKED_AT), entries) if entry.is_file()]
