"""What one run is asked to do: a frozen value that argv is turned into exactly once.

The engine knows this class and nothing of click; a worker process is sent its values.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class IoEngine(str, Enum):
    """How a worker performs its file operations (``--io-engine``)."""

    AUTO = "auto"
    URING = "uring"
    PLAIN = "plain"


class CopyMethod(str, Enum):
    """How the bytes of a file are moved (``--copy-method``).

    Examples:
        >>> from arsync.fs import CopyMethod
        >>> CopyMethod("read-write") is CopyMethod.READ_WRITE
        True
    """

    AUTO = "auto"
    """What is fastest for the file: a clone where there can be one, else one of the others, by its size."""
    REFLINK = "reflink"
    """A clone, which shares its blocks with the original until one of them is written to (FICLONE)."""
    COPY_FILE_RANGE = "copy_file_range"
    """A copy in the kernel."""
    READ_WRITE = "read-write"
    """Reads and writes, many at once."""
    MMAP = "mmap"
    """Writes from the mapped source."""


class DeleteWhen(str, Enum):
    """When extraneous entries of the destination are deleted (``--delete-WHEN``)."""

    NEVER = ""
    BEFORE = "before"
    DURING = "during"
    DELAY = "delay"
    AFTER = "after"


class AltDest(str, Enum):
    """What an unchanged file of another tree is used for (``--compare-dest`` and its like)."""

    NONE = ""
    COMPARE = "compare"
    COPY = "copy"
    LINK = "link"


class Append(int, Enum):
    """How a file that is shorter than its source is completed (``--append``)."""

    NO = 0
    APPEND = 1
    VERIFY = 2


#: Files in flight in one worker while it waits for storage. At 1 ms per operation 64 was measured to saturate
#: one ring; more only helps above that latency, so it is what a person may raise.
DEFAULT_QUEUE_DEPTH = 64

#: Bytes of one read or write of large data: the size at which the ring was fastest on ext4, XFS and tmpfs.
DEFAULT_BUFFER_SIZE = 1 << 20

#: Where --delay-updates keeps complete files until the end of the run, in each directory, unless --partial-dir says.
DELAYED_DIR = b".~tmp~"


def is_shared(path: bytes) -> bool:
    """Whether a path that starts from each directory of the destination may lead several of them to the same place, or
    to one where there are files that are no business of the run."""
    return path.startswith(b"/") or b".." in path.split(b"/")


#: Behind the name of a filter option: what it names has rules separated by NUL bytes (--from0 stood before it).
NUL_SEPARATED = "0"


class CopyConfig(NamedTuple):
    """One run's options, named as rsync's long options are. Paths are bytes, sizes in bytes, times in seconds."""

    sources: tuple[bytes, ...]
    dest: bytes

    # What is copied
    recursive: bool = False
    dirs: bool = False
    relative: bool = False
    implied_dirs: bool = True
    files_from: bytes | None = None
    from0: bool = False
    #: the filter options in the order of the command line: (name of the option, its value)
    filters: tuple[tuple[str, bytes], ...] = ()
    one_file_system: int = 0  # 2: directories that are mount points are not even made
    prune_empty_dirs: bool = False
    max_size: int = -1  # -1: no limit
    min_size: int = -1
    existing: bool = False
    ignore_existing: bool = False
    update: bool = False
    remove_source_files: bool = False
    ignore_missing_args: bool = False
    delete_missing_args: bool = False

    # What counts as unchanged
    checksum: bool = False
    checksum_choice: str = ""  # checked; contents themselves are compared
    ignore_times: bool = False
    size_only: bool = False
    modify_window: int = 0  # seconds; -1: nanoseconds count
    alt_dest: AltDest = AltDest.NONE
    alt_dirs: tuple[bytes, ...] = ()

    # What is deleted
    delete: DeleteWhen = DeleteWhen.NEVER
    delete_excluded: bool = False
    max_delete: str = ""  # a number, or a percentage ("20%"); "": no limit
    force: bool = False
    ignore_errors: bool = False
    delete_guard: bool = False

    # Symlinks
    links: bool = False
    copy_links: bool = False
    copy_dirlinks: bool = False
    keep_dirlinks: bool = False
    copy_unsafe_links: bool = False
    safe_links: bool = False
    munge_links: bool = False
    insecure_links: bool = False
    confine_root: bytes | None = None

    # What is kept of each file
    hard_links: bool = False
    perms: bool = False
    executability: bool = False
    chmod: tuple[str, ...] = ()
    owner: bool = False
    group: bool = False
    usermap: str = ""
    groupmap: str = ""
    numeric_ids: bool = False
    acls: bool = False
    xattrs: int = 0  # 2: those of --fake-super too
    times: bool = False
    atimes: int = 0
    open_noatime: bool = False
    omit_dir_times: bool = False
    omit_link_times: bool = False
    devices: bool = False
    specials: bool = False
    drop_devices: bool = False
    copy_devices: bool = False
    write_devices: bool = False
    super_user: bool | None = None  # None: where this process is root
    fake_super: bool = False

    # How files are written
    dry_run: bool = False
    inplace: bool = False
    append: Append = Append.NO
    whole_file: bool = True
    sparse: bool = False
    preallocate: bool = False
    fsync: bool = False
    backup: bool = False
    backup_dir: bytes | None = None
    suffix: bytes = b"~"
    partial: bool = False
    partial_dir: bytes | None = None
    delay_updates: bool = False
    temp_dir: bytes | None = None
    mkpath: bool = False
    bwlimit: int = 0  # bytes a second; 0: no limit
    timeout: int = 0
    stop_at: float = 0.0  # when, as time.time() has it; 0: never

    # What is shown
    verbose: int = 0
    quiet: int = 0
    itemize: int = 0
    stats: bool = False
    info: tuple[str, ...] = ()
    debug: tuple[str, ...] = ()
    out_format: bytes | None = None
    log_file: bytes | None = None
    log_file_format: bytes | None = None
    progress: bool = False
    progress_bar: bool = False  # drawn on a terminal, instead of rsync's lines
    json: bool = False
    human_readable: int = 1  # 0: plain digits; 1: digits in groups; 2: units of 1000; 3: units of 1024
    eight_bit_output: bool = False
    list_only: bool = False  # implies dry_run
    trial: bool = False  # of a listing too it was said that it is a dry run
    outbuf: str = ""
    stderr: str = "errors"
    #: options that were given and mean nothing on one machine
    without_effect: tuple[str, ...] = ()

    # arsync's own
    io_engine: IoEngine = IoEngine.AUTO
    workers: int = 0
    queue_depth: int = DEFAULT_QUEUE_DEPTH
    buffer_size: int = DEFAULT_BUFFER_SIZE
    copy_method: CopyMethod = CopyMethod.AUTO
    lock: bytes | None = None  # b"": the destination itself
    syncfs: bool = False
    verify: bool = False

    def values(self) -> tuple[Any, ...]:
        """The fields as plain values, which can be sent to a worker."""
        return tuple(value.value if isinstance(value, Enum) else value for value in self)

    @classmethod
    def from_values(cls, values: tuple[Any, ...]) -> CopyConfig:
        """The inverse of :meth:`values`."""
        config = cls(*values)
        return config._replace(
            io_engine=IoEngine(config.io_engine),
            copy_method=CopyMethod(config.copy_method),
            delete=DeleteWhen(config.delete),
            alt_dest=AltDest(config.alt_dest),
            append=Append(config.append),
        )
