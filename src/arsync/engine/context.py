"""What every entry of a worker shares: the options in the form the hot path needs them, and the counters."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

from arsync.config import CopyConfig, CopyMethod
from arsync.engine import counts
from arsync.engine.task import Task
from arsync.events import NEW, Kind
from arsync.fs.copy import Copier, Lanes
from arsync.fs.metadata import AttributeSet, Change, Identity, Preserve, apply
from arsync.fs.protocol import FileOps
from arsync.fs.xattr import ACL_NAMES, UNSUPPORTED, Attributes, Target, read_attributes, wanted_names

#: errno values of a full destination: going on would only fail again, so the run ends (rsync: exit 11).
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

#: errno values of a process (or a machine) that has no descriptor left: not the file's fault.
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Context:
    """One worker's options, copier and counters. ``stop`` says whether the run was interrupted."""

    def __init__(self, config: CopyConfig, who: Identity, lanes: Lanes, stop: Callable[[], bool]) -> None:
        self.config = config
        self.stop = stop
        # An ACL holds the permissions too, so -A implies -p as it does in rsync.
        self.preserve = Preserve(who, config.perms or config.acls, config.times, config.owner, config.group)
        self.default_perms = 0o777 & ~who.umask
        self.copier = Copier(
            lanes, method=config.copy_method, buffer_size=config.buffer_size, sparse=config.sparse, stop=stop
        )
        self.attributes_wanted = (
            wanted_names(acls=config.acls, xattrs=config.xattrs, privileged=who.uid == 0)
            if config.acls or config.xattrs
            else None
        )
        self.report = bool(config.itemize or config.verbose)
        self.report_unchanged = config.itemize > 1 or config.verbose > 1
        self.counts = counts.zero()
        self.fatal = 0
        #: coroutines of the plain backend run in threads while storage waits: counting needs the lock then
        self.lock = threading.Lock()
        self._cannot: set[tuple[str, int]] = set()

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
        if self.report and (changes or self.report_unchanged):
            task.items.append((index, int(kind), changes, target))

    def small_files_done(self, files: int, size: int) -> None:
        """Count small new files, ``size`` bytes together: seen, created and copied."""
        with self.lock:
            tally = self.counts
            tally[counts.SEEN + Kind.FILE] += files
            tally[counts.CREATED + Kind.FILE] += files
            tally[counts.TOTAL_SIZE] += size
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

    async def read_attributes(self, ops: FileOps, target: Target) -> Attributes:
        """The attributes of an entry that this run copies; empty without -A and -X."""
        if self.attributes_wanted is None:
            return {}
        return await read_attributes(ops, target, self.attributes_wanted)

    async def set_metadata(
        self, ops: FileOps, task: Task, index: int, target: Target, change: Change, attributes: AttributeSet | None
    ) -> None:
        """Set an entry's metadata; what fails is recorded, and what its file system cannot hold only once."""
        for operation, error in await apply(ops, target, change, attributes):
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


def acl_and_xattr(attributes: AttributeSet, acl_flag: int, xattr_flag: int) -> int:
    """The itemized flags of attributes that differ."""
    if attributes.new == attributes.old:
        return 0
    names = {n for n in attributes.new.keys() | attributes.old.keys() if attributes.new.get(n) != attributes.old.get(n)}
    return (acl_flag if names & ACL_NAMES else 0) | (xattr_flag if names - ACL_NAMES else 0)
