"""Failures and exit codes in words."""

from __future__ import annotations

import os

from arsync.errors import ExitCode
from arsync.events import Failure
from arsync.ui.escape import escape


def failure_line(failure: Failure) -> bytes:
    """One failure as one line.

    >>> failure_line(Failure("open", b"a", 13))
    b'arsync: open "a" failed: Permission denied (13)'
    >>> failure_line(Failure("leave out", b"a", 0, "it is the destination of this copy", warning=True))
    b'arsync: warning: leave out "a": it is the destination of this copy'
    """
    name = escape(failure.path)
    if failure.vanished:
        return b'file has vanished: "' + name + b'"'
    reason = os.strerror(failure.errno) + f" ({failure.errno})" if failure.errno else ""
    if failure.detail:
        reason = f"{failure.detail}: {reason}" if reason else failure.detail
    if not failure.path:
        return b"arsync: " + escape(os.fsencode(reason))
    what = os.fsencode(failure.operation) + b' "' + name + b'"'
    why = escape(os.fsencode(reason))
    return b"arsync: warning: " + what + b": " + why if failure.warning else b"arsync: " + what + b" failed: " + why


#: What each exit code means (``man rsync``, EXIT VALUES), for the last line on stderr and for --help.
MEANINGS = {
    ExitCode.OK: "success",
    ExitCode.SYNTAX: "syntax or usage error",
    ExitCode.PROTOCOL: "protocol incompatibility",
    ExitCode.FILE_SELECT: "errors selecting input/output files, dirs",
    ExitCode.UNSUPPORTED: "requested action not supported",
    ExitCode.FILE_IO: "error in file IO",
    ExitCode.WORKER_DIED: "a worker process ended unexpectedly",
    ExitCode.DEFECT: "errors with program diagnostics",
    ExitCode.SIGNAL: "received SIGINT, SIGTERM, or SIGHUP",
    ExitCode.WAITPID: "waitpid() failed",
    ExitCode.MEMORY: "error allocating core memory buffers",
    ExitCode.PARTIAL: "some files/attrs were not transferred (see previous errors)",
    ExitCode.VANISHED: "some files vanished before they could be transferred",
    ExitCode.MAX_DELETE: "the --max-delete limit stopped deletions",
    ExitCode.TIMEOUT: "timeout in data send/receive",
    ExitCode.CONNECTION_TIMEOUT: "timeout waiting for daemon connection",
    ExitCode.LOCKED: "another run has the lock",
}


def closing_line(code: ExitCode) -> bytes:
    """The line that ends stderr where the exit code is not 0, in rsync's shape."""
    word = "warning" if code is ExitCode.VANISHED else "error"
    return f"arsync {word}: {MEANINGS[code]} (code {int(code)})".encode()
