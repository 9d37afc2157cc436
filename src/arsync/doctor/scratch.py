"""Files to try things on, of which nothing stays: without a name where the file system has such, else in a directory
that is removed before any signal is heard."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from arsync.doctor.findings import reason
from arsync.errors import ExitCode, FatalError
from arsync.fs.syscalls import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, linkat

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: With SIGKILL nothing can be done; an empty directory with this name may then stay.
PREFIX = ".arsync-doctor."


@contextmanager
def scratch_directory(dir_fd: int) -> Iterator[tuple[str, int]]:
    """A new directory in an open one: its name and a descriptor. Raises OSError where it cannot be made, FatalError
    where it cannot be removed again."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        name = PREFIX + os.urandom(6).hex()
        os.mkdir(name, 0o700, dir_fd=dir_fd)
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=dir_fd)
            try:
                yield name, fd
            finally:
                os.close(fd)
        finally:
            _remove(dir_fd, name)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _remove(dir_fd: int, name: str) -> None:
    try:
        # Opened anew: on btrfs an open directory shows no names that were made after it was opened.
        fd = os.open(name, _DIRECTORY, dir_fd=dir_fd)
        try:
            for entry in os.listdir(fd):
                os.unlink(entry, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=dir_fd)
    except OSError as error:
        where = os.readlink(f"/proc/self/fd/{dir_fd}")
        text = f"cannot remove {where}/{name}, which was made to try things in: {reason(error)}; remove it by hand"
        raise FatalError(text, ExitCode.FILE_IO) from error


def open_unnamed(dir_fd: int) -> int:
    """A file without a name (O_TMPFILE). Raises OSError."""
    return os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)


@contextmanager
def scratch_file(dir_fd: int) -> Iterator[int]:
    """A file to write and to read in an open directory. Raises OSError."""
    try:
        fd = open_unnamed(dir_fd)
    except OSError:
        with scratch_directory(dir_fd) as (_, inner), named_file(inner, "file") as fd:
            yield fd
        return
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def named_file(dir_fd: int, name: str) -> Iterator[int]:
    """A file with a name in a scratch directory."""
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def link_to(fd: int, dir_fd: int, name: bytes) -> None:
    """Give an open file another name. Raises OSError."""
    try:
        linkat(fd, b"", dir_fd, name, AT_EMPTY_PATH)
    except FileNotFoundError:  # without CAP_DAC_READ_SEARCH, before Linux 6.10
        linkat(AT_FDCWD, b"/proc/self/fd/%d" % fd, dir_fd, name, AT_SYMLINK_FOLLOW)
