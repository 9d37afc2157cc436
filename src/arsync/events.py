"""What the engine tells people: typed events, emitted in traversal order, consumed by ``arsync.ui``.

The engine calls the methods of a :class:`Sink`; it never prints. Names are bytes, relative to the destination,
as rsync shows them (``dir/file``; the top directory itself is ``.``; directories carry no trailing slash).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol


class Kind(IntEnum):
    """What an entry is; the second letter of an itemized line."""

    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2
    DEVICE = 3
    SPECIAL = 4


# What happened to an entry: a bit set, cheap to build in a worker and to send. The low bits are the attributes
# of an itemized line, the high ones say what was done.
CHECKSUM = 1 << 0  # c: contents differ (-c), or a symlink's target, or a device's number
SIZE = 1 << 1  # s
TIME = 1 << 2  # t: mtime differs and is set
TIME_NOW = 1 << 3  # T: mtime differs and is set to the time of transfer (without -t, or a symlink that cannot)
PERMS = 1 << 4  # p
OWNER = 1 << 5  # o
GROUP = 1 << 6  # g
ACL = 1 << 7  # a
XATTR = 1 << 8  # x
NEW = 1 << 9  # the destination did not exist: all attributes show as +
TRANSFER = 1 << 10  # >: a regular file's data was copied
LOCAL = 1 << 11  # c: created or changed otherwise (directory, symlink, device, special)
HARDLINK = 1 << 12  # h: made a hard link to another entry of the transfer
SKIPPED = 1 << 13  # not copied, because an option that its kind needs was not given (a symlink without -l)
KEPT = 1 << 14  # a directory that was to be removed is not empty
DELETED = 1 << 15  # deleted at the destination (or would be, in a dry run)
ATIME = 1 << 16  # u: atime differs and is set
SEARCHED = 1 << 19  # a directory that was named is looked through for what is to be deleted, before or after the copy
BACKED_UP = 1 << 20  # what stood there was kept under another name, the target
REMOVED = 1 << 21  # the source was removed after it was copied (--remove-source-files)
TOO_LARGE = 1 << 22  # not copied because of --max-size
TOO_SMALL = 1 << 23  # not copied because of --min-size
NEWER = 1 << 24  # not copied because of --update
EXISTS = 1 << 25  # not copied because of --ignore-existing; the target may say how it differs
ABSENT = 1 << 26  # not made because of --existing
HIDDEN = 1 << 29  # a filter rule, the target, leaves it out
SHOWN = 1 << 30  # a filter rule, the target, lets it in
#: said beside the entry's own line
NOTES = SEARCHED | BACKED_UP | REMOVED | TOO_LARGE | TOO_SMALL | NEWER | EXISTS | ABSENT | HIDDEN | SHOWN
ALT = 1 << 27  # as it is in an alternative tree (--link-dest and its like): shown only where unchanged entries are
UNSAFE = 1 << 28  # a symlink that leads out of the transfer: ignored, or with TRANSFER copied as what it points to

ATTRIBUTES = CHECKSUM | SIZE | TIME | TIME_NOW | PERMS | OWNER | GROUP | ATIME | ACL | XATTR


class Status(NamedTuple):
    """What is known of a source entry, where the run was asked to show it."""

    mode: int
    size: int  # bytes
    mtime_ns: int
    atime_ns: int
    uid: int
    gid: int
    #: hexadecimal; empty where none was computed
    checksum: bytes = b""


class Item(NamedTuple):
    """One entry that was changed, or (for ``-ii``) one that was not."""

    path: bytes
    kind: int
    changes: int
    #: the target of a symlink, or for HARDLINK the path of the entry it is a link to; else b""
    target: bytes = b""
    status: Status | None = None
    #: where the run shows it: the path of the source directory that the entry is in
    origin: bytes = b""
    #: where progress is shown: how many entries come before this one
    ordinal: int = 0


class Failure(NamedTuple):
    """One operation on one path that failed; the rest of the run went on."""

    #: what was being done, as a verb phrase: "open", "set times of", "make directory"
    operation: str
    path: bytes
    #: 0 where no system call failed
    errno: int
    #: added after the errno's text, or instead of it
    detail: str = ""
    #: the source disappeared between listing and copying: exit 24 rather than 23
    vanished: bool = False
    #: shown, but does not change the exit code
    warning: bool = False


class WorkerReport(NamedTuple):
    """How one worker did its work, and why so."""

    #: -1: the parent itself
    number: int
    #: entries dealt with by plain calls one after another, and with many in flight
    plain: int
    in_flight: int
    #: "used", or why io_uring was not
    ring: str
    #: bytes copied by each method (CopyMethod's values), where it copied any
    methods: dict[str, int]
    #: under --verify: bytes read back from the storage, and from a file system in memory
    verified: tuple[int, int] | None = None
    #: when and why the way of working changed
    switches: tuple[str, ...] = ()


class Totals:
    """Counts of one run, summed over workers; the figures of ``--stats``."""

    def __init__(self) -> None:
        self.seen = [0] * len(Kind)  # source entries, by kind
        self.created = [0] * len(Kind)  # those whose destination did not exist, by kind
        self.deleted = [0] * len(Kind)  # entries of the destination that were removed, by kind
        self.kept_back = 0  # entries that were not removed because of --max-delete
        self.transferred_files = 0
        self.total_size = 0  # bytes of all regular files and symlink targets of the source
        self.transferred_size = 0  # bytes of the regular files that were copied
        self.written = 0  # bytes of data really moved by read/write, copy_file_range or mmap
        self.cloned = 0  # bytes shared by reflink
        self.linked = 0  # hard links made
        self.errors = 0
        self.vanished = 0
        self.elapsed_ns = 0
        self.listing_ns = 0  # time until the last source directory was listed
        self.workers: list[WorkerReport] = []  # how it was done


class Doing(NamedTuple):
    """What one worker has done, and does."""

    #: entries dealt with, and bytes copied; 0 where no progress is shown, since nobody counts then
    entries: int
    moved: int
    #: the large file that it copies, else the first of the entries that it has, else empty
    path: bytes = b""
    #: the bytes of a large file that it has copied, and will have
    done: int = 0
    size: int = 0
    #: entries that it was given and has not answered
    given: int = 0


class Progress(NamedTuple):
    """How far a run is, told where somebody wants to see it."""

    #: source entries found so far, and whether these are all
    listed: int
    listed_all: bool
    #: the bytes of those that were measured
    listed_size: int
    #: entries that need nothing more
    passed: int
    #: bytes copied, of unfinished files too, and regular files copied
    moved: int
    files: int
    #: the large file that is shown while it is copied: its path, the bytes it has, and will have
    path: bytes = b""
    done: int = 0
    size: int = 0
    #: how many of the entries found were measured, and how many not; the bytes of those that need nothing more
    measured: int = 0
    unmeasured: int = 0
    passed_size: int = 0
    #: the part of the tree that was listed, an estimate; 1 when all is
    share: float = 1.0
    #: entries deleted, and errors
    deleted: int = 0
    errors: int = 0
    #: what each worker does
    workers: tuple[Doing, ...] = ()


class Sink(Protocol):
    """Receives what happens. Every method is called from one thread, in order."""

    def started(self) -> None:
        """The arguments were understood and the file list begins."""

    def created_directory(self, dest: bytes) -> None:
        """The destination argument did not exist and was made a directory."""

    def made_path(self, path: bytes, count: int) -> None:
        """So many directories of this path were made (--mkpath)."""

    def item(self, item: Item) -> None:
        """An entry was handled."""

    def skipped(self, path: bytes, reason: str) -> None:
        """An entry was passed over for a reason people ask for (``skipping directory``, ``non-regular file``)."""

    def note(self, item: Item) -> None:
        """Something about an entry beside what became of it (``changes``: one of NOTES)."""

    def unsafe_link(self, path: bytes, target: bytes, copied: bool) -> None:
        """A symlink leads out of the transfer: it is ignored, or what it points to is copied."""

    def kept(self, path: bytes) -> None:
        """A directory that was to be removed is not empty, and stays."""

    def deletion_given_up(self) -> None:
        """Nothing is deleted from now on: the trees could not be seen in full."""

    def failure(self, failure: Failure) -> None:
        """An operation failed."""

    def notice(self, text: str, level: int) -> None:
        """Something worth saying once, at this level of ``-v`` (0: always, on stderr)."""

    def progress(self, progress: Progress) -> None:
        """How far the run is; only where the configuration asks for it (Reporting.progress)."""

    def standing(self, progress: Progress) -> None:
        """Somebody asks how far the run is (SIGUSR1): it is said on stderr."""

    def cut_off(self) -> None:
        """The process ends at once. Called from a signal handler: nothing but write(2) may be used, on a terminal that
        something was drawn on."""

    def finished(self, totals: Totals) -> None:
        """The run is over (also after an interrupt); nothing follows."""
