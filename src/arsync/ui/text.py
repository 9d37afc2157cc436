"""What a run prints: a Sink that writes rsync's lines to stdout and stderr."""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO

from arsync.config import CopyConfig
from arsync.errors import ExitCode
from arsync.events import DELETED, HARDLINK, LOCAL, NEW, TRANSFER, Failure, Item, Kind, Totals
from arsync.ui.escape import escape
from arsync.ui.itemize import itemized, named
from arsync.ui.summary import sent, stats

#: Bytes of output that are collected before they are written.
_BUFFER = 64 << 10


class TextSink:
    """Prints in the order in which it is told; stdout is flushed before anything goes to stderr."""

    def __init__(self, config: CopyConfig, out: BinaryIO, err: BinaryIO) -> None:
        self._config = config
        self._out = out
        self._err = err
        self._lines: list[bytes] = []
        self._size = 0
        self._lost: OSError | None = None
        self._itemize = config.itemize > 0 and not config.quiet
        self._names = config.verbose > 0 and not config.quiet

    def _print(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        data = b"".join(line + b"\n" for line in self._lines)
        self._lines.clear()
        self._size = 0
        if self._lost is None:
            try:
                self._out.write(data)
                self._out.flush()
            except OSError as error:
                self._lost = error

    def output_error(self) -> OSError | None:
        """Why output could not be written; the copy itself goes on without it. None too where merely nobody reads it
        any more (a closed pipe), which is not an error to rsync either."""
        return None if isinstance(self._lost, BrokenPipeError) else self._lost

    def _complain(self, line: bytes) -> None:
        self.flush()
        with contextlib.suppress(OSError):  # there is nowhere left to say it; the exit code does
            self._err.write(line + b"\n")
            self._err.flush()

    def started(self) -> None:
        if self._names:
            self._print(b"sending incremental file list")

    def created_directory(self, dest: bytes) -> None:
        if self._names or self._itemize:
            self._print(b"created directory " + escape(dest.rstrip(b"/") or b"/"))

    def made_path(self, path: bytes, count: int) -> None:
        if self._names or self._itemize:
            word = b"directory" if count == 1 else b"directories"
            self._print(b"created %d %s for %s" % (count, word, escape(path.rstrip(b"/") or b"/")))

    def item(self, item: Item) -> None:
        if self._itemize:
            self._print(itemized(item))
        elif item.changes & DELETED:
            if self._names:
                self._print(b"deleting " + named(item))
        elif self._names:
            # Without -i rsync names what was made or copied, and directories of which anything changed.
            if item.changes & (TRANSFER | LOCAL | NEW) or (item.kind == Kind.DIRECTORY and item.changes):
                self._print(named(item))
            elif item.changes & HARDLINK:
                self._print(named(item) if item.target else named(item) + b" is uptodate")
            elif not item.changes and self._config.verbose > 1 and item.kind != Kind.DIRECTORY:
                self._print(escape(item.path) + b" is uptodate")

    def skipped(self, path: bytes, reason: str) -> None:
        if self._config.quiet:
            return
        name = escape(path)
        shown = b" " + name if reason == "directory" else b' "' + name + b'"'
        self._print(b"skipping " + reason.encode() + shown)

    def kept(self, path: bytes) -> None:
        if not self._config.quiet:
            self._print(b"cannot delete non-empty directory: " + escape(path))

    def deletion_given_up(self) -> None:
        if not self._config.quiet:
            self._print(b"IO error encountered -- skipping file deletion")

    def failure(self, failure: Failure) -> None:
        self._complain(failure_line(failure))

    def notice(self, text: str, level: int) -> None:
        if level == 0:
            self._complain(os.fsencode(text))
        elif self._config.verbose >= level and not self._config.quiet:
            self._print(os.fsencode(text))

    def finished(self, totals: Totals) -> None:
        config = self._config
        if not config.quiet:
            if config.stats:
                self._print(b"")
                for line in stats(totals):
                    self._print(line.encode())
            if self._names or config.stats:
                self._print(b"")
                for line in sent(totals, config.dry_run):
                    self._print(line.encode())
            if config.stats or config.verbose > 1:
                for line in totals.engine:
                    self._print(line.encode())
        self.flush()


def failure_line(failure: Failure) -> bytes:
    """One failure as one line.

    >>> failure_line(Failure("open", b"a", 13))
    b'arsync: open "a" failed: Permission denied (13)'
    """
    name = escape(failure.path)
    if failure.vanished:
        return b'file has vanished: "' + name + b'"'
    reason = os.strerror(failure.errno) + f" ({failure.errno})" if failure.errno else ""
    if failure.detail:
        reason = f"{failure.detail}: {reason}" if reason else failure.detail
    if not failure.path:
        return b"arsync: " + escape(os.fsencode(reason))
    word = b"warning" if failure.warning else b"failed"
    return b"arsync: " + os.fsencode(failure.operation) + b' "' + name + b'" ' + word + b": " + os.fsencode(reason)


#: What each exit code means (``man rsync``, EXIT VALUES), for the last line on stderr and for --help.
MEANINGS = {
    ExitCode.SYNTAX: "syntax or usage error",
    ExitCode.FILE_SELECT: "errors selecting input/output files, dirs",
    ExitCode.UNSUPPORTED: "requested action not supported",
    ExitCode.FILE_IO: "error in file IO",
    ExitCode.WORKER_DIED: "a worker process ended unexpectedly",
    ExitCode.SIGNAL: "received SIGINT, SIGTERM, or SIGHUP",
    ExitCode.PARTIAL: "some files/attrs were not transferred (see previous errors)",
    ExitCode.VANISHED: "some files vanished before they could be transferred",
    ExitCode.MAX_DELETE: "the --max-delete limit stopped deletions",
}


def closing_line(code: ExitCode) -> bytes:
    """The line that ends stderr where the exit code is not 0, in rsync's shape."""
    word = "warning" if code is ExitCode.VANISHED else "error"
    return f"arsync {word}: {MEANINGS[code]} (code {int(code)})".encode()
