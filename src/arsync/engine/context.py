"""What every entry of a worker shares: the options in the form the hot path needs them, and the counters."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from arsync.config import CopyConfig, CopyMethod, DeleteWhen
from arsync.engine import counts
from arsync.engine.attributes import Copied, copied_attributes, read_source, read_wanted, set_all
from arsync.engine.held import NOTHING_HELD, Held
from arsync.engine.place import OPEN_SOURCE, open_quietly
from arsync.engine.task import Task
from arsync.events import ALT, NEW, Kind
from arsync.fs.copy import WATCHED_STEP, Copier, Lanes
from arsync.fs.metadata import AttributeSet, Change, Identity, preserve
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.views import View, dest_view, path_in, source_view
from arsync.fs.xattr import UNSUPPORTED, Attributes, Target, path_of
from arsync.reporting import reporting

if TYPE_CHECKING:
    # Imported where an option asks for them: every worker's start waits for its imports.
    from arsync.engine.limits import Bucket
    from arsync.engine.placing import Placing
    from arsync.engine.teller import Teller
    from arsync.fs.verify import VerifyingCopier

#: errno values of a full destination: going on would only fail again, so the run ends (rsync: exit 11).
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

#: errno values of a process (or a machine) that has no descriptor left: not the file's fault.
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Context:
    """One worker's options, copier and counters. ``stop`` says whether the run was interrupted."""

    def __init__(
        self,
        config: CopyConfig,
        who: Identity,
        lanes: Lanes,
        stop: Callable[[], bool],
        tellers: Callable[[], Teller],
        held: Held = NOTHING_HELD,
    ) -> None:
        """``tellers`` makes what is told how far large files are, when there is the first."""
        self.config = config
        self.stop = stop
        self.preserve = preserve(config, who)
        #: directories that are not empty may be deleted to make way
        self.may_clear = config.force or config.delete is not DeleteWhen.NEVER
        self.default_perms = 0o777 & ~who.umask
        self.verifying: VerifyingCopier | None = None
        self.copier = self._copier(lanes)
        self._tellers = tellers
        self._teller: Teller | None = None
        self.follow = config.copy_links or config.copy_unsafe_links or config.copy_dirlinks
        self.attributes_wanted = copied_attributes(config, self.preserve)
        #: the last rules that a slice had of its own, and what they leave
        self._copied: tuple[tuple[tuple[bytes, ...], ...], Copied | None] = ((), None)
        #: how sources, and what stands at the destination, are seen; None: as they are
        self.source_view, self.dest_view = source_view(config), dest_view(config)
        #: whether metadata is set in a way of its own, so that nothing is made with its final mode
        self.makes_private = self.attributes_wanted is not None or config.fake_super
        self.held = held
        #: sources are removed
        self.removing = config.remove_source_files and not config.dry_run
        self.placing = self._placing(who, held)
        wanted = reporting(config)
        self.report = wanted.items
        self.report_unchanged = wanted.unchanged
        self.detailed = wanted.status
        self.checksums = wanted.checksum
        #: whether, and how precisely, it is told what is left alone (--info=skip)
        self.skips = wanted.info["skip"] if wanted.notes else 0
        #: files of some sizes are not copied, or it is told of each that is left alone because it is there
        self.sized = config.max_size >= 0 or config.min_size >= 0 or (self.skips > 0 and config.ignore_existing)
        self.counts = counts.zero()
        self.fatal = 0
        #: coroutines of the plain backend run in threads while storage waits: counting needs the lock then
        self.lock = threading.Lock()
        self._cannot: set[tuple[str, int]] = set()

    def _copier(self, lanes: Lanes) -> Copier:
        config, bucket = self.config, _bucket(self.config, self.stop)
        how: dict[str, Any] = {
            "method": config.copy_method,
            "buffer_size": config.buffer_size,
            "sparse": config.sparse,
            "stop": self.stop,
            "moved": self._tell_moved,
            "in_order": config.partial or bool(config.append),
            "throttle": bucket.take if bucket is not None else None,
            "throttle_block": bucket.block if bucket is not None else 0,
            "step": WATCHED_STEP if config.timeout else 0,
        }
        if not config.verify:
            return Copier(lanes, **how)
        from arsync.fs.verify import VerifyingCopier

        self.verifying = VerifyingCopier(lanes, choice=config.checksum_choice, **how)
        return self.verifying

    def teller(self) -> Teller:
        """What is told how far large files are."""
        if self._teller is None:
            self._teller = self._tellers()
        return self._teller

    def _tell_moved(self, src: int, done: int) -> None:
        if self._teller is not None:
            self._teller.moved(src, done)

    def open_source(self, ops: FileOps, dir_fd: int, name: bytes, follow: bool = False) -> Coroutine[Any, Any, int]:
        """Open a file to read it; ``follow``: a symlink that stands for what it points to."""
        flags = OPEN_SOURCE & ~os.O_NOFOLLOW if follow else OPEN_SOURCE
        if self.config.open_noatime:
            return open_quietly(ops, dir_fd, name, flags)
        return ops.openat(dir_fd, name, flags)

    def status(self, ops: FileOps, fd: int) -> Coroutine[Any, Any, StatResult]:
        """What an open source counts as."""
        return ops.fstat(fd) if self.source_view is None else self._seen_status(ops, fd, self.source_view)

    async def see(self, ops: FileOps, dir_fd: int, name: bytes) -> StatResult:
        """What an entry of the source counts as, where that is not what it is."""
        st = await ops.lstat(dir_fd, name)
        return st if self.source_view is None else await ops.call(self.source_view, path_in(dir_fd, name), st)

    async def _seen_status(self, ops: FileOps, fd: int, view: View) -> StatResult:
        return await ops.call(view, path_of(fd), await ops.fstat(fd))

    def _placing(self, who: Identity, held: Held) -> Placing | None:
        """What puts complete files in place otherwise than by a rename; None where no option asks for it."""
        config = self.config
        if not wants_placing(config):
            return None
        from arsync.engine.backup import Backups
        from arsync.engine.placing import Placing
        from arsync.engine.staging import Staging

        wanted = self.attributes_wanted and self.attributes_wanted.dest
        backups = Backups(config, self.preserve, wanted, held.top, self.stop) if config.backup else None
        return Placing(config, backups, Staging(config, self.copier, who.uid), self.stop)

    def seen(self, kind: Kind, size: int) -> None:
        """Count a source entry."""
        with self.lock:
            self.counts[counts.SEEN + kind] += 1
            if kind is Kind.FILE or kind is Kind.SYMLINK:
                self.counts[counts.TOTAL_SIZE] += size

    def files_seen(self, files: int, size: int) -> None:
        """Count source files that need nothing, ``size`` bytes together."""
        with self.lock:
            self.counts[counts.SEEN + Kind.FILE] += files
            self.counts[counts.TOTAL_SIZE] += size

    def done(self, task: Task, index: int, kind: Kind, changes: int, target: bytes = b"") -> None:
        """Note that an entry's destination is now as the source is: count what was made, and remember what is to be
        shown."""
        task.done.add(index)
        if changes & NEW:
            with self.lock:
                self.counts[counts.CREATED + kind] += 1
        if self.report and (self.report_unchanged or (changes and not changes & ALT)):
            task.items.append((index, int(kind), changes, target))

    def small_files_done(self, files: int, size: int, *, seen: bool) -> None:
        """Count small new files, ``size`` bytes together: created and copied, and seen where they were not before."""
        with self.lock:
            tally = self.counts
            if seen:
                tally[counts.SEEN + Kind.FILE] += files
                tally[counts.TOTAL_SIZE] += size
            tally[counts.CREATED + Kind.FILE] += files
            tally[counts.FILES] += files
            tally[counts.TRANSFERRED_SIZE] += size
            self.copier.bytes_by[CopyMethod.READ_WRITE] += size

    def transferred(self, size: int) -> None:
        """Count a regular file whose data was copied."""
        with self.lock:
            self.counts[counts.FILES] += 1
            self.counts[counts.TRANSFERRED_SIZE] += size

    def check_full(self, error: OSError) -> None:
        """Note that data could not be written because the destination is full, which ends the run as it ends rsync's
        (a name that could not be made for want of space does not: symlinks may still find room)."""
        if error.errno in FULL:
            self.fatal = error.errno or 0

    def _copied_of(self, task: Task) -> Copied | None:
        """Which attributes of a task's entries are copied."""
        if not (rules := task.slice.attribute_rules):
            return self.attributes_wanted
        known, copied = self._copied
        if known != rules:
            copied = copied_attributes(self.config, self.preserve, (rules[0], rules[1]))
            self._copied = rules, copied
        return copied

    async def read_attributes(self, ops: FileOps, task: Task, target: Target) -> Attributes:
        """The attributes of what stands at the destination that this run copies; empty without -A and -X."""
        copied = self._copied_of(task)
        return await read_wanted(ops, target, copied and copied.dest, self.preserve.fake)

    def source_attributes(self, ops: FileOps, task: Task, source: Target) -> Coroutine[Any, Any, Attributes]:
        """The attributes that a copy of ``source`` gets; empty without -A and -X."""
        copied = self._copied_of(task)
        return read_source(ops, source, copied and copied.source, self.preserve)

    async def set_metadata(
        self, ops: FileOps, task: Task, index: int, target: Target, change: Change, attributes: AttributeSet | None
    ) -> None:
        """Set an entry's metadata; what fails is recorded, and what its file system cannot hold only once."""
        for operation, error in await set_all(ops, target, change, attributes, self.preserve.fake):
            if not self._known_to_be_impossible(task, operation, error):
                task.fail(index, operation, error)

    def _known_to_be_impossible(self, task: Task, operation: str, error: OSError) -> bool:
        """Whether this file system has already been said to be unable to hold this (xattrs on vfat)."""
        if error.errno not in UNSUPPORTED:
            return False
        key = (operation, os.fstat(task.dst).st_dev)
        if key in self._cannot:
            return True
        self._cannot.add(key)
        return False


def wants_placing(config: CopyConfig) -> bool:
    """Whether files are put in place otherwise than by renaming them as soon as they are complete."""
    return bool(
        config.backup
        or config.append
        or config.partial
        or config.delay_updates
        or config.temp_dir is not None
        or config.preallocate
        or config.fsync
    )


def _bucket(config: CopyConfig, stop: Callable[[], bool]) -> Bucket | None:
    if not config.bwlimit:
        return None
    from arsync.engine.limits import Bucket

    return Bucket(config.bwlimit, stop)
