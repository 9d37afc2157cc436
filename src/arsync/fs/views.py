"""What an entry counts as where that is not what it is: the contents of a device are a file (--copy-devices,
--write-devices), and what --fake-super stored with an entry is true of it.

A view is a function from an entry's path and its status to the status it counts as having. It makes plain calls.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from arsync.config import CopyConfig
from arsync.fs.protocol import StatResult
from arsync.fs.statx import changed
from arsync.fs.xattr import is_held, path_of

#: From a path, whose last part is not followed, and the status of what it names. Raises OSError.
View = Callable[[bytes, StatResult], StatResult]


def path_in(dir_fd: int, name: bytes) -> bytes:
    """A path to an entry of a held directory, for calls that take no descriptor."""
    return b"%b/%b" % (path_of(dir_fd), name)


def source_view(config: CopyConfig) -> View | None:
    """How this run sees entries of the source; None: as they are."""
    return _view(config.fake_super, config.copy_devices)


def dest_view(config: CopyConfig) -> View | None:
    """How this run sees what stands at the destination; None: as it is."""
    return _view(config.fake_super, config.write_devices)


def _view(fake: bool, devices: bool) -> View | None:
    if not fake:
        return device_as_file if devices else None
    from arsync.fs.fakesuper import as_stored

    return (lambda path, st: device_as_file(path, as_stored(path, st))) if devices else as_stored


def device_as_file(path: bytes, st: StatResult) -> StatResult:
    """A device as a regular file of its size. One that only gives or takes bytes (a character device) has none."""
    if not (stat.S_ISBLK(st.st_mode) or stat.S_ISCHR(st.st_mode)):
        return st
    size = _device_size(path, st) if stat.S_ISBLK(st.st_mode) else 0
    return changed(st, st_mode=stat.S_IMODE(st.st_mode) | stat.S_IFREG, st_size=size, st_blocks=size // 512)


def _device_size(path: bytes, st: StatResult) -> int:
    """The size of a block device, which is opened for it; something else that has taken its name since is not: opening
    some devices does something."""
    held = os.open(path, os.O_PATH | (0 if is_held(path) else os.O_NOFOLLOW))
    try:
        now = os.fstat(held)
        if not stat.S_ISBLK(now.st_mode) or now.st_rdev != st.st_rdev:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        fd = os.open(path_of(held), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    finally:
        os.close(held)
    try:
        return os.lseek(fd, 0, os.SEEK_END)
    finally:
        os.close(fd)
