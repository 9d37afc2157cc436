"""What each exit code means, for the manual page."""

from __future__ import annotations

from arsync.errors import ExitCode

#: Those that a run can end with.
MEANING = {
    ExitCode.OK: "All is copied.",
    ExitCode.SYNTAX: "The command line is wrong. Nothing was begun.",
    ExitCode.PROTOCOL: "--protocol names one that rsync does not have. Nothing was begun.",
    ExitCode.FILE_SELECT: "There is no such destination, or it cannot be opened.",
    ExitCode.UNSUPPORTED: "What was asked for is not supported: another machine, an option that is refused.",
    ExitCode.FILE_IO: "Error in file I/O: the destination is full, or output or the log file could not be written.",
    ExitCode.WORKER_DIED: "A worker process died. What it had is named, all else is copied.",
    ExitCode.DEFECT: "A defect of arsync, to be reported. What was copied until then is whole.",
    ExitCode.SIGNAL: "Interrupted by SIGINT, SIGTERM or SIGHUP.",
    ExitCode.MEMORY: "There is not enough memory to go on.",
    ExitCode.PARTIAL: "Some files could not be copied, or not with all that was to be kept. Each is named.",
    ExitCode.VANISHED: "Some files of the source vanished before they were copied. All else is copied.",
    ExitCode.MAX_DELETE: "`--max-delete` was reached: the rest was not deleted.",
    ExitCode.TIMEOUT: "Nothing could be done for as long as `--timeout` says, or the time of `--stop-at` came.",
    ExitCode.LOCKED: "Another run has the lock of `--lock`. Nothing was done.",
}
