"""What a copy tells the program that asked for it. Paths are bytes, as the kernel has them; os.fsdecode makes text."""

from __future__ import annotations

from typing import Literal, NamedTuple

from arsync.errors import ExitCode

EntryKind = Literal["file", "directory", "symlink", "device", "special"]

#: "copied": a regular file's data was; "created": made otherwise; "changed": something else than a regular file's data,
#: or metadata alone; "linked": made a hard link to another entry.
Action = Literal["copied", "created", "changed", "linked", "deleted", "unchanged"]


class FileError(NamedTuple):
    """One operation on one path that failed; the rest of the run went on."""

    #: what was being done, as a verb phrase: "open", "set times of", "make directory"
    operation: str
    #: relative to the destination, or the argument itself; empty where it is about no path
    path: bytes
    #: 0 where no system call failed
    errno: int
    #: all of it as a sentence: what was being done, to what, and why it failed
    message: str


class Item(NamedTuple):
    """One entry of the transfer, in rsync's order."""

    #: relative to the destination, without a slash at the end; ``b"."`` is the destination itself
    path: bytes
    kind: EntryKind
    action: Action
    #: rsync's eleven characters (``man rsync``, --itemize-changes)
    itemized: str
    #: of a symlink what it says, of a hard link the entry that it is a link to
    target: bytes
    #: of the source: bytes, st_mode, nanoseconds. None unless details were asked for, and of what was deleted
    size: int | None = None
    mode: int | None = None
    mtime_ns: int | None = None


class Progress(NamedTuple):
    """How far a run is. Counts never become less."""

    #: source entries found so far, whether these are all, and their bytes
    found: int
    found_all: bool
    found_bytes: int
    #: entries that need nothing more
    done: int
    copied_files: int
    #: bytes copied, of unfinished files too
    copied_bytes: int
    #: a large file that is being copied: its path, the bytes it has, and will have; empty where there is none
    path: bytes
    path_bytes: int
    path_size: int


class Counts(NamedTuple):
    """How many entries, by kind."""

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    devices: int = 0
    specials: int = 0

    @property
    def total(self) -> int:
        """Of all kinds together."""
        return sum(self)


class CopyResult(NamedTuple):
    """What a copy came to."""

    #: as the command would have returned it
    exit_code: ExitCode
    #: what could not be done, in order. A failure that every file of a file system has (it has no ACLs, say) is listed
    #: once; error_count counts each
    errors: tuple[FileError, ...]
    #: what was noticed and is no error
    warnings: tuple[FileError, ...]
    #: source entries that were there when they were listed, and not when they were to be copied
    vanished: tuple[bytes, ...]
    #: what the command would have said beside its list of files
    notices: tuple[str, ...]
    error_count: int
    #: entries of the source; those whose destination did not exist; entries of the destination that were removed
    seen: Counts
    created: Counts
    deleted: Counts
    #: entries passed over because an option that their kind needs was not given (a symlink without links=True)
    skipped: int
    #: entries that were not removed because of max_delete
    kept_back: int
    #: regular files whose data was copied, and the bytes in them
    copied_files: int
    copied_bytes: int
    #: of the latter, what was really moved, and what was cloned (reflink)
    written_bytes: int
    cloned_bytes: int
    #: hard links made
    linked: int
    #: bytes of all regular files and symlinks of the source
    total_bytes: int
    #: seconds, from the beginning of the run in its process
    elapsed: float
    #: how each worker did its work, and why, in words
    engine: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all was copied: the exit code is 0."""
        return self.exit_code is ExitCode.OK

    def raise_for_errors(self) -> None:
        """Raise IncompleteError unless all was copied."""
        if not self.ok:
            raise IncompleteError(self)


class IncompleteError(Exception):
    """Raised by :meth:`CopyResult.raise_for_errors`: not everything was copied. ``result`` is what there is."""

    def __init__(self, result: CopyResult) -> None:
        self.result = result
        super().__init__(result)

    def __str__(self) -> str:
        result = self.result
        text = f"the copy is not complete: {result.exit_code.name} ({int(result.exit_code)})"
        if result.errors:
            text += f", {max(result.error_count, 1)} errors, the first: {result.errors[0].message}"
        elif result.vanished:
            text += f", {len(result.vanished)} files vanished meanwhile"
        return text
