"""Making a directory where something else stands, which must not be lost if that fails."""

from __future__ import annotations

import os

from arsync.fs.temporary import temporary_name


def replace_by_directory(dir_fd: int, name: bytes, mode: int) -> None:
    """Make the directory ``name`` in the place of what stands there, which is no directory.

    No call does that at once (rename(2) refuses it), so what stands there waits under a temporary name until the
    directory is made, and gets its own name back where it cannot be. Raises OSError.
    """
    aside = temporary_name(name)
    os.rename(name, aside, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    made = False
    try:
        os.mkdir(name, mode, dir_fd=dir_fd)
        made = True
        os.unlink(aside, dir_fd=dir_fd)
    except OSError:
        if made:
            os.rmdir(name, dir_fd=dir_fd)
        os.rename(aside, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        raise
