"""What each exit code means, for the manual page."""

from __future__ import annotations

from arsync.errors import ExitCode

#: Those that a run can end with.
MEANING = {
    ExitCode.OK: "Everything was copied.",
    ExitCode.SYNTAX: "The command line is wrong. Nothing was done.",
    ExitCode.PROTOCOL: "--protocol names a version that rsync does not have. Nothing was done.",
    ExitCode.FILE_SELECT: "There is no such destination, or it cannot be opened.",
    ExitCode.UNSUPPORTED: "What was asked for is not supported: another machine, an option that is refused.",
    ExitCode.FILE_IO: "Error in file I/O: the destination is full, or output or the log file could not be written.",
    ExitCode.WORKER_DIED: "A worker process died. Its unfinished files are named; everything else was copied.",
    ExitCode.DEFECT: "A defect of arsync; please report it. What was copied until then is complete.",
    ExitCode.SIGNAL: "Interrupted by SIGINT, SIGTERM or SIGHUP.",
    ExitCode.MEMORY: "There is not enough memory.",
    ExitCode.PARTIAL: "Some files could not be copied, or lost some of their metadata. Each is named.",
    ExitCode.VANISHED: "Some source files vanished before they were copied. Everything else was copied.",
    ExitCode.MAX_DELETE: "`--max-delete` was reached: the rest was not deleted.",
    ExitCode.TIMEOUT: "Nothing could be done for `--timeout` seconds, or the time of `--stop-at` came.",
    ExitCode.LOCKED: "Another run holds the lock of `--lock`. Nothing was done.",
}
