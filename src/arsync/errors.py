"""Exit codes and the two ways a run ends early. Exit codes are rsync's (``man rsync``, EXIT VALUES)."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command returns, and ``CopyResult.exit_code``.

    Examples:
        >>> import arsync
        >>> arsync.copy(["project/", "missing"], "backup", archive=True).exit_code
        <ExitCode.PARTIAL: 23>
    """

    OK = 0
    """All was done."""
    SYNTAX = 1
    """The command line, or the arguments, cannot be meant."""
    PROTOCOL = 2
    """``--protocol`` names a version that rsync does not have."""
    FILE_SELECT = 3
    """SRC or DEST is not what it has to be."""
    UNSUPPORTED = 4
    """What is asked for is not possible here."""
    FILE_IO = 11
    """The destination, or a file that an option names, cannot be made, read or written."""
    WORKER_DIED = 12
    """A worker process ended unexpectedly (rsync: error in data stream)."""
    DEFECT = 13
    """A defect of arsync itself (rsync: errors with program diagnostics)."""
    SIGNAL = 20
    """Stopped by SIGINT, SIGTERM or SIGHUP."""
    WAITPID = 21
    """Waiting for a worker failed."""
    MEMORY = 22
    """Out of memory."""
    PARTIAL = 23
    """Some entries could not be copied."""
    VANISHED = 24
    """Some files of the source vanished meanwhile."""
    MAX_DELETE = 25
    """``--max-delete`` stopped deletions."""
    TIMEOUT = 30
    """Nothing could be done for ``--timeout`` seconds, or the time of ``--stop-at`` came."""
    CONNECTION_TIMEOUT = 35
    """Never: there is no daemon."""
    LOCKED = 75
    """``--lock``: another run is at work (EX_TEMPFAIL of sysexits.h; rsync has no such code)."""


class FatalError(Exception):
    """The run could not begin, or ended before it could tell what it did. The text is what the command would say.

    Examples:
        >>> import arsync
        >>> try:
        ...     arsync.copy("project/", "no/such/place", archive=True)
        ... except arsync.FatalError as error:
        ...     print(error.code.name)
        FILE_IO
    """

    code: ExitCode
    """What the command would have returned."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


class UsageError(FatalError):
    """Options or arguments that cannot be meant. Nothing has been done.

    Examples:
        >>> import arsync
        >>> try:
        ...     arsync.copy("project/", "backup", archiv=True)
        ... except arsync.UsageError as error:
        ...     print(error)
        archiv: unknown option (did you mean archive?)
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.SYNTAX) -> None:
        super().__init__(message, code)
