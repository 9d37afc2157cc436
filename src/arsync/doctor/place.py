"""One path: whether a copy could read from it or write to it, where it is, and what its file system can."""

from __future__ import annotations

import base64
import os
import re
import stat
from typing import Any, NamedTuple

from arsync.doctor.abilities import examine_abilities, untried
from arsync.doctor.findings import WORKS, Finding, reason
from arsync.doctor.scratch import scratch_file

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Place(NamedTuple):
    """A path of the command line, opened."""

    path: bytes
    #: "source", "destination", or "either" where only one path was given
    role: str
    #: of the directory that is looked at: the path itself, or the one that it is in; -1 where there is none
    fd: int
    directory: bytes
    st: os.stat_result | None
    problem: str

    @property
    def is_file(self) -> bool:
        """Whether the path names a regular file."""
        return self.st is not None and stat.S_ISREG(self.st.st_mode)


def open_place(path: bytes, role: str) -> Place:
    """Open what a path names. What does not exist, or cannot be opened, is said in ``problem``."""
    try:
        st: os.stat_result | None = os.stat(path)
    except OSError as error:
        if role == "source" or not isinstance(error, FileNotFoundError):
            gone = isinstance(error, FileNotFoundError)
            return Place(
                path, role, -1, b"", None, "does not exist" if gone else f"cannot be looked at: {reason(error)}"
            )
        st = None
    directory = path if st is not None and stat.S_ISDIR(st.st_mode) else os.path.dirname(path.rstrip(b"/")) or b"."
    try:
        return Place(path, role, os.open(directory, _DIRECTORY), directory, st, "")
    except OSError as error:
        what = "cannot be opened" if directory == path else f"{os.fsdecode(directory)} cannot be opened"
        if st is None:
            what = f"does not exist, and {what}"
        hint = " (--mkpath makes it)" if isinstance(error, FileNotFoundError) else ""
        return Place(path, role, -1, directory, st, f"{what}: {reason(error)}{hint}")


def examine_place(place: Place) -> dict[str, Any]:
    """The part of the report about one path."""
    readable, writable = _readable(place), _writable(place)
    found: dict[str, Any] = {
        "path": os.fsdecode(place.path),
        "path_base64": base64.b64encode(place.path).decode(),
        "role": place.role,
        "exists": place.st is not None,
        "examined": os.fsdecode(place.directory),
        "readable": readable._asdict(),
        "writable": writable._asdict(),
        "file_system": None,
        "problems": [],
    }
    if place.fd < 0:
        found |= untried("it cannot be opened")
    else:
        found["file_system"] = _file_system(place.fd)
        found |= examine_abilities(place.fd) if writable.works else untried("it cannot be written to")
    found["problems"] = list(_problems(place, readable, writable, found["file_system"]))
    return found


def _readable(place: Place) -> Finding:
    if place.fd < 0 or place.st is None:
        return Finding(False, place.problem or "it does not exist")
    try:
        if place.is_file:
            os.close(os.open(place.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        else:
            os.listdir(place.fd)
            os.stat(".", dir_fd=place.fd)  # names may be listed, and yet nothing in it be looked at
    except OSError as error:
        return Finding(False, reason(error))
    return WORKS


def _writable(place: Place) -> Finding:
    """By making a file, of which nothing stays."""
    if place.fd < 0:
        return Finding(False, place.problem)
    try:
        with scratch_file(place.fd):
            return WORKS
    except OSError as error:
        return Finding(False, reason(error))


def _problems(place: Place, readable: Finding, writable: Finding, system: dict[str, Any] | None) -> list[str]:
    """Why a copy from or to this path would not work."""
    if place.problem:
        return [place.problem]
    if place.role == "either":
        if not (readable.works or writable.works):
            return [f"can be neither read ({readable.why}) nor written to ({writable.why})"]
        return []
    if place.role == "source":
        return [] if readable.works else [f"cannot be read: {readable.why}"]
    problems = [] if writable.works else [f"cannot be written to: {writable.why}"]
    if system is not None and system["bytes_free"] == 0 and system["bytes"]:
        problems.append("the file system is full")
    if system is not None and system["inodes_free"] == 0 and system["inodes"]:
        problems.append("the file system has no inode left for another file")
    return problems


def _file_system(fd: int) -> dict[str, Any]:
    """Its kind, where it is mounted and how, and what room it has for this user."""
    kind, mount, options = _mount(fd)
    space = os.fstatvfs(fd)
    return {
        "type": kind,
        "mounted_on": mount,
        "mount_options": options,
        "device": os.fstat(fd).st_dev,
        "bytes": space.f_blocks * space.f_frsize,
        "bytes_free": space.f_bavail * space.f_frsize,
        "inodes": space.f_files,
        "inodes_free": space.f_favail,
        "name_max": space.f_namemax,
    }


def _mount(fd: int) -> tuple[str, str, str]:
    """What proc(5) says of the mount that an open file is on: "" where it does not."""
    try:
        with open(f"/proc/self/fdinfo/{fd}") as file:
            number = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            fields = next(line.split() for line in file if line.split()[0] == number)
    except (OSError, StopIteration):
        return "", "", ""
    mount = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])  # blanks and backslashes
    behind = fields[fields.index("-") + 1 :]
    return behind[0], mount, fields[5]
