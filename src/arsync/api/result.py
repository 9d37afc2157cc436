"""What a copy tells the program that asked for it. Paths are bytes, as the kernel has them; os.fsdecode makes text."""

from __future__ import annotations

from typing import Literal, NamedTuple

from arsync.errors import ExitCode

EntryKind = Literal["file", "directory", "symlink", "device", "special"]

Action = Literal["copied", "created", "changed", "linked", "deleted", "unchanged"]


class FileError(NamedTuple):
    """One operation on one path that failed; the rest of the run went on.

    Examples:
        >>> import arsync
        >>> result = arsync.copy(["project/", "missing"], "backup", archive=True)
        >>> [(error.operation, error.path, error.errno) for error in result.errors]
        [('find', b'missing', 2)]
    """

    operation: str
    """What was being done, as a verb phrase: "open", "set times of", "make directory"."""
    path: bytes
    """Relative to the destination, or the argument itself; empty where it is about no path."""
    errno: int
    """Why it failed; 0 where no system call did."""
    message: str
    """All of it as a sentence: what was being done, to what, and why it failed."""


class Item(NamedTuple):
    """One entry that ``on_item`` is told of, in rsync's order.

    Examples:
        >>> import arsync
        >>> items = []
        >>> arsync.copy("project/", "backup", archive=True, on_item=items.append, details=True).ok
        True
        >>> [(item.action, item.path, item.size) for item in items if item.kind == "file"]
        [('copied', b'data.bin', 256000), ('copied', b'notes.txt', 11), ('copied', b'docs/guide.txt', 8)]
    """

    path: bytes
    """Relative to the destination, without a slash at the end; ``b"."`` is the destination itself."""
    kind: EntryKind
    """A "special" is a fifo or a socket."""
    action: Action
    """"copied": a regular file's data was; "created": made otherwise; "changed": something else than a regular file's
    data, or metadata alone; "linked": made a hard link to another entry."""
    itemized: str
    """rsync's eleven characters (``man rsync``, --itemize-changes)."""
    target: bytes
    """Of a symlink what it says, of a hard link the entry that it is a link to; otherwise empty."""
    size: int | None = None
    """Of the source, in bytes; only with ``details``, and not of what was deleted, as the following."""
    mode: int | None = None
    """Of the source: kind and permissions (``stat``)."""
    mtime_ns: int | None = None
    """Of the source: when its data was last changed, in nanoseconds since 1970."""


class Progress(NamedTuple):
    """How far a run is, for ``on_progress``. Counts never become less.

    Examples:
        >>> import arsync
        >>> told = []
        >>> arsync.copy("project/", "backup", archive=True, on_progress=told.append).ok
        True
        >>> told[-1].done, told[-1].found, told[-1].found_all
        (6, 6, True)
    """

    found: int
    """Entries of the source that were found so far."""
    found_all: bool
    """Whether these are all."""
    found_bytes: int
    """Bytes of the regular files among them."""
    done: int
    """Entries that need nothing more."""
    copied_files: int
    """Regular files whose data was copied."""
    copied_bytes: int
    """Bytes copied, of unfinished files too."""
    path: bytes
    """A large file that is being copied; empty where there is none."""
    path_bytes: int
    """How many bytes of it are copied."""
    path_size: int
    """How many it has."""


class Counts(NamedTuple):
    """How many entries, by kind.

    Examples:
        >>> import arsync
        >>> seen = arsync.copy("project/", "backup", archive=True).seen
        >>> seen.files, seen.symlinks, seen.total
        (3, 1, 6)
    """

    files: int = 0
    """Regular files."""
    directories: int = 0
    """Directories."""
    symlinks: int = 0
    """Symlinks."""
    devices: int = 0
    """Character and block devices."""
    specials: int = 0
    """Fifos and sockets."""

    @property
    def total(self) -> int:
        """Of all kinds together."""
        return sum(self)


class CopyResult(NamedTuple):
    """What a copy came to.

    Examples:
        >>> import arsync
        >>> result = arsync.copy("project/", "backup", archive=True)
        >>> result.ok, result.copied_files, result.copied_bytes, result.errors
        (True, 3, 256019, ())
    """

    exit_code: ExitCode
    """As the command would have returned it."""
    errors: tuple[FileError, ...]
    """What could not be done, in order. A failure that every file of a file system has (it has no ACLs, say) is listed
    once."""
    warnings: tuple[FileError, ...]
    """What was noticed and is no error."""
    vanished: tuple[bytes, ...]
    """Entries of the source that were there when they were listed, and not when they were to be copied."""
    notices: tuple[str, ...]
    """What the command would have said beside its list of files."""
    error_count: int
    """How many errors there were, each counted that ``errors`` lists once."""
    seen: Counts
    """Entries of the source."""
    created: Counts
    """Those of them whose destination did not exist."""
    deleted: Counts
    """Entries of the destination that were removed."""
    skipped: int
    """Entries passed over because an option that their kind needs was not given (a symlink without ``links=True``)."""
    kept_back: int
    """Entries that were not removed because of ``max_delete``."""
    copied_files: int
    """Regular files whose data was copied."""
    copied_bytes: int
    """The bytes in them."""
    written_bytes: int
    """How many of these were really moved."""
    cloned_bytes: int
    """How many of these were cloned (reflink)."""
    linked: int
    """Hard links made."""
    total_bytes: int
    """Bytes of all regular files and symlinks of the source."""
    elapsed: float
    """Seconds, from the beginning of the run in its process."""
    engine: tuple[str, ...]
    """How each worker did its work, and why, in words."""

    @property
    def ok(self) -> bool:
        """Whether all was copied: the exit code is 0."""
        return self.exit_code is ExitCode.OK

    def raise_for_errors(self) -> None:
        """Do nothing where all was copied.

        Raises:
            IncompleteError: it was not
        """
        if not self.ok:
            raise IncompleteError(self)


class IncompleteError(Exception):
    """Raised by ``CopyResult.raise_for_errors``: not everything was copied.

    Examples:
        >>> import arsync
        >>> try:
        ...     arsync.copy(["project/", "missing"], "backup", archive=True).raise_for_errors()
        ... except arsync.IncompleteError as error:
        ...     print(error)
        the copy is not complete: PARTIAL (23), 1 error: find "missing" failed: No such file or directory (2)
    """

    result: CopyResult
    """What there is."""

    def __init__(self, result: CopyResult) -> None:
        self.result = result
        super().__init__(result)

    def __str__(self) -> str:
        result = self.result
        text = f"the copy is not complete: {result.exit_code.name} ({int(result.exit_code)})"
        if result.errors:
            count = max(result.error_count, 1)
            text += f", {count} errors, the first: " if count > 1 else ", 1 error: "
            text += result.errors[0].message
        elif result.vanished:
            text += f", {len(result.vanished)} files vanished meanwhile"
        return text
