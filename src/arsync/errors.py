"""Exit codes and the two ways a run ends early. Exit codes are rsync's (``man rsync``, EXIT VALUES)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns."""

    OK = 0
    SYNTAX = 1  # syntax or usage error
    PROTOCOL = 2  # protocol incompatibility: --protocol names one that rsync does not have
    FILE_SELECT = 3  # errors selecting input/output files, dirs
    UNSUPPORTED = 4  # the requested action is not supported
    FILE_IO = 11  # error in file I/O
    WORKER_DIED = 12  # rsync's "error in data stream": a worker process ended unexpectedly
    DEFECT = 13  # rsync's "errors with program diagnostics": a defect of arsync itself
    SIGNAL = 20  # received SIGINT, SIGTERM or SIGHUP
    WAITPID = 21  # waiting for a worker failed
    MEMORY = 22  # out of memory
    PARTIAL = 23  # partial transfer due to error
    VANISHED = 24  # partial transfer due to vanished source files
    MAX_DELETE = 25  # --max-delete stopped deletions
    TIMEOUT = 30  # nothing could be done for --timeout seconds, or the time of --stop-at came
    CONNECTION_TIMEOUT = 35  # never: there is no daemon
    LOCKED = 75  # --lock: another run is at work (EX_TEMPFAIL of sysexits.h; rsync has no such code)


class FatalError(Exception):
    """Ends the run: the message is shown as it is, the code returned."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class UsageError(FatalError):
    """The command line asks for something that is not possible."""

    def __init__(self, message: str, code: ExitCode = ExitCode.SYNTAX) -> None:
        super().__init__(message, code)
