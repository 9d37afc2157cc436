"""Bringing everything to the disk at the end of a run (--syncfs): one call for each file system that was written to."""

from __future__ import annotations

import os
import threading

from arsync.config import CopyConfig
from arsync.engine.held import operator_paths
from arsync.events import Failure
from arsync.fs.directory import DirectoryFd
from arsync.fs.syscalls import syncfs


class FileSystems:
    """The file systems that a run writes to. Its methods may run in threads."""

    def __init__(self, config: CopyConfig) -> None:
        """Of ``config`` the directories of options count too: backups and parts may be on file systems of their own."""
        given = (config.backup_dir, config.partial_dir)
        self._given = [path for path in given if path is not None]
        self._paths = operator_paths(config)
        self._lock = threading.Lock()
        self._met: dict[int, tuple[int, bytes]] = {}  # by device: a descriptor there, and a path to name it by

    def note(self, directory: DirectoryFd, path: bytes) -> None:
        """A directory of the destination, known as ``path``, was worked in. Raises OSError.

        Its own open file is kept: the kernel tells each open file of what went wrong since it was opened.
        """
        if directory.device in self._met:
            return
        with self._lock, directory.pinned() as fd:
            if directory.device not in self._met:
                self._met[directory.device] = os.dup(fd), path

    def sync(self, top: int) -> list[Failure]:
        """Bring all of them to the disk; returns what failed. ``top``: the destination's, -1 where there is none."""
        for path in self._given:
            self._add_given(top, path)
        failures = []
        for fd, path in self._met.values():
            try:
                syncfs(fd)
            except OSError as error:
                failures.append(Failure("bring to the disk", path, error.errno or 0, "--syncfs"))
        return failures

    def _add_given(self, top: int, path: bytes) -> None:
        try:
            fd = self._paths.directory(path, top)
        except OSError:
            return  # nothing was written there: it does not exist
        device = os.fstat(fd).st_dev
        if device in self._met:
            os.close(fd)
        else:
            self._met[device] = fd, path

    def close(self) -> None:
        """Close what was kept open."""
        for fd, _ in self._met.values():
            os.close(fd)
        self._met.clear()
