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
    """How the bytes of a file are moved (``--copy-method``)."""

    AUTO = "auto"
    REFLINK = "reflink"
    COPY_FILE_RANGE = "copy_file_range"
    READ_WRITE = "read-write"
    MMAP = "mmap"


#: Files in flight in one worker while it waits for storage. At 1 ms per operation 64 was measured to saturate
#: one ring; more only helps above that latency, so it is what a person may raise.
DEFAULT_QUEUE_DEPTH = 64

#: Bytes of one read or write of large data: the size at which the ring was fastest on ext4, XFS and tmpfs.
DEFAULT_BUFFER_SIZE = 1 << 20


class CopyConfig(NamedTuple):
    """One run's options, named as rsync's long options are."""

    sources: tuple[bytes, ...]
    dest: bytes

    recursive: bool = False
    links: bool = False
    perms: bool = False
    times: bool = False
    group: bool = False
    owner: bool = False
    devices: bool = False
    specials: bool = False
    hard_links: bool = False
    acls: bool = False
    xattrs: bool = False
    sparse: bool = False
    one_file_system: bool = False
    numeric_ids: bool = False

    dry_run: bool = False
    inplace: bool = False
    whole_file: bool = True
    ignore_times: bool = False
    size_only: bool = False
    checksum: bool = False
    existing: bool = False
    ignore_existing: bool = False
    update: bool = False

    verbose: int = 0
    quiet: bool = False
    itemize: int = 0
    stats: bool = False

    io_engine: IoEngine = IoEngine.AUTO
    workers: int = 0
    queue_depth: int = DEFAULT_QUEUE_DEPTH
    buffer_size: int = DEFAULT_BUFFER_SIZE
    copy_method: CopyMethod = CopyMethod.AUTO

    def values(self) -> tuple[Any, ...]:
        """The fields as plain values, which can be sent to a worker."""
        return tuple(value.value if isinstance(value, Enum) else value for value in self)

    @classmethod
    def from_values(cls, values: tuple[Any, ...]) -> CopyConfig:
        """The inverse of :meth:`values`."""
        config = cls(*values)
        return config._replace(io_engine=IoEngine(config.io_engine), copy_method=CopyMethod(config.copy_method))
