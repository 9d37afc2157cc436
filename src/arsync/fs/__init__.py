"""File operations of Linux for coroutines: on an io_uring ring where there can be one, else by system call.

The names of ``__all__`` stay as they are. What is not there is arsync's own, and may change.

>>> from arsync.fs import AT_FDCWD, FileOps, open_fileops
>>> async def size(ops: FileOps, name: bytes) -> int:
...     return (await ops.lstat(AT_FDCWD, name)).st_size
>>> with open_fileops() as files:
...     files.map(size, [b"/proc/self/mem", b"/dev/null"])
[0, 0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arsync.fs.cpus import usable_cpus

if TYPE_CHECKING:
    from arsync.config import CopyMethod
    from arsync.fs.acl import default_perms
    from arsync.fs.apply import apply as apply_metadata
    from arsync.fs.blocks import ReadError, StoppedError, WriteError, same_content
    from arsync.fs.directory import DirectoryFd, DirectoryTable
    from arsync.fs.entries import list_names, mknodat, readlinkat
    from arsync.fs.files import Files, open_fileops
    from arsync.fs.loop import RingRunner
    from arsync.fs.metadata import AttributeSet, Change
    from arsync.fs.protocol import Buffer, FileOps, StatResult
    from arsync.fs.semaphore import Semaphore
    from arsync.fs.symlinks import is_unsafe
    from arsync.fs.syscalls import (
        AT_EMPTY_PATH,
        AT_FDCWD,
        AT_REMOVEDIR,
        AT_SYMLINK_FOLLOW,
        FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_PUNCH_HOLE,
        RESOLVE_BENEATH,
        RESOLVE_NO_MAGICLINKS,
        RESOLVE_NO_SYMLINKS,
        RESOLVE_NO_XDEV,
        exchange,
    )
    from arsync.fs.temporary import give_name, open_unnamed
    from arsync.fs.whole import copy_data, replace_file
    from arsync.fs.xattr import ACL_ACCESS, ACL_DEFAULT, path_of, read_attributes, write_attributes

__all__ = [
    "ACL_ACCESS",
    "ACL_DEFAULT",
    "AT_EMPTY_PATH",
    "AT_FDCWD",
    "AT_REMOVEDIR",
    "AT_SYMLINK_FOLLOW",
    "FALLOC_FL_KEEP_SIZE",
    "FALLOC_FL_PUNCH_HOLE",
    "RESOLVE_BENEATH",
    "RESOLVE_NO_MAGICLINKS",
    "RESOLVE_NO_SYMLINKS",
    "RESOLVE_NO_XDEV",
    "AttributeSet",
    "Buffer",
    "Change",
    "CopyMethod",
    "DirectoryFd",
    "DirectoryTable",
    "FileOps",
    "Files",
    "ReadError",
    "Semaphore",
    "StatResult",
    "StoppedError",
    "WriteError",
    "apply_metadata",
    "copy_data",
    "default_perms",
    "exchange",
    "give_name",
    "is_unsafe",
    "list_names",
    "mknodat",
    "open_fileops",
    "open_unnamed",
    "path_of",
    "read_attributes",
    "readlinkat",
    "replace_file",
    "same_content",
    "usable_cpus",
    "write_attributes",
]

#: Where each name is. Nothing is imported before it is asked for: a run needs only some of it.
_PLACES = {
    "config": ("CopyMethod",),
    "fs.acl": ("default_perms",),
    "fs.apply": ("apply_metadata",),
    "fs.blocks": ("ReadError", "StoppedError", "WriteError", "same_content"),
    "fs.directory": ("DirectoryFd", "DirectoryTable"),
    "fs.entries": ("list_names", "mknodat", "readlinkat"),
    "fs.files": ("Files", "open_fileops"),
    "fs.metadata": ("AttributeSet", "Change"),
    "fs.protocol": ("Buffer", "FileOps", "StatResult"),
    "fs.semaphore": ("Semaphore",),
    "fs.symlinks": ("is_unsafe",),
    "fs.syscalls": (
        *("AT_EMPTY_PATH", "AT_FDCWD", "AT_REMOVEDIR", "AT_SYMLINK_FOLLOW", "FALLOC_FL_KEEP_SIZE"),
        *("FALLOC_FL_PUNCH_HOLE", "RESOLVE_BENEATH", "RESOLVE_NO_MAGICLINKS", "RESOLVE_NO_SYMLINKS"),
        *("RESOLVE_NO_XDEV", "exchange"),
    ),
    "fs.temporary": ("give_name", "open_unnamed"),
    "fs.whole": ("copy_data", "replace_file"),
    "fs.xattr": ("ACL_ACCESS", "ACL_DEFAULT", "path_of", "read_attributes", "write_attributes"),
}

#: Names that say less in their own module.
_ALIASES = {"apply_metadata": "apply"}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module("arsync." + module), _ALIASES.get(name, name))
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def open_ring(queue_depth: int) -> tuple[RingRunner | None, str]:
    """A runner on a ring for ``queue_depth`` files in flight; or None and the reason why there cannot be one here.

    Neither ctypes nor liburing is imported before this is called.
    """
    from arsync.fs.binding import RefusedError
    from arsync.fs.loop import RingRunner

    try:
        return RingRunner(queue_depth), ""
    except RefusedError as error:
        return None, str(error)
