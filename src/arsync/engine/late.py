"""What waits for the end of the run: complete files to be put in place (--delay-updates), links to them (-H), and
sources with several links to be removed (--remove-source-files)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from arsync.config import CopyConfig
from arsync.engine.held import operator_paths
from arsync.engine.slices import SliceWork
from arsync.engine.wire import LATE, LINK, SLICE_NAMES


class Late:
    """Collects work while the rest is done and hands it out in waves, each when the one before is done. The directories
    of what waits are held; memory grows with the number of files that wait."""

    def __init__(self, config: CopyConfig, stopped: Callable[[], bool]) -> None:
        self._config = config
        self._stopped = stopped
        self._files: list[SliceWork] = []
        self._links: list[SliceWork] = []
        self.unplaced: set[bytes] = set()  # paths of files that could not be put in place

    def takes(self, work: SliceWork) -> bool:
        """Whether work that is about to be sent has to wait: links to files that are not in place yet."""
        if not self._config.delay_updates or self._config.dry_run or not work.flags & LINK:
            return False
        self._links.append(work)
        return True

    def add(self, work: SliceWork, waiting: list[tuple[int, int, int, int]]) -> None:
        """Entries of a slice that wait: index, whether staged, and the size and time of the source when it was read."""
        waiting.sort()
        for begin in range(0, len(waiting), SLICE_NAMES):
            part = waiting[begin : begin + SLICE_NAMES]
            self._files.append(
                SliceWork(
                    work.node,
                    None,
                    work.source,
                    tuple(work.names[index] for index, *_ in part),
                    bytes(work.kinds[index] for index, *_ in part),
                    LATE,
                    dst_names=tuple(work.dst_names[index] for index, *_ in part) if work.dst_names else (),
                    stamps=tuple((staged, size, mtime_ns) for _, staged, size, mtime_ns in part),
                )
            )
            work.node.hold()

    def next_wave(self) -> list[SliceWork]:
        """What may be done now that nothing else is left to do; after an interrupt, what was staged is removed."""
        if self._stopped():
            self._discard()
        wave, self._files = self._files, []
        if not wave:
            wave, self._links = self._links, []
        return wave

    def lost_leader(self, work: SliceWork) -> bool:
        """Whether this is a link to a file that could not be put in place."""
        return bool(self.unplaced) and any(path in self.unplaced for _, _, path in work.leaders)

    def _discard(self) -> None:
        """The run was stopped: the old files stay, and the new ones are removed unless parts are kept."""
        files, self._files = self._files, []
        for work in files:
            if not self._config.partial and work.node.dst is not None:
                from arsync.engine.output import UntrustedError

                # What cannot be removed does no harm.
                with suppress(OSError, UntrustedError), work.node.dst.pinned() as fd:
                    _remove_staged(self._config, fd, work)
            work.node.release()


def _remove_staged(config: CopyConfig, dst: int, work: SliceWork) -> None:
    from arsync.engine.staging import open_staging, remove_staging, staging_path

    path, paths = staging_path(config), operator_paths(config)
    staging = open_staging(paths, dst, path, os.geteuid())
    try:
        for name, (staged, *_) in zip(work.dst_names or work.names, work.stamps):
            if staged:
                with suppress(OSError):  # it is gone, or stays: the others are removed all the same
                    os.unlink(name, dir_fd=staging)
    finally:
        os.close(staging)
    remove_staging(paths, dst, path)
