"""The process that copies for :func:`arsync.copy`: the engine, and a sink that sends what it hears to the caller."""

from __future__ import annotations

import fcntl
import gc
import marshal
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import Any, NoReturn, cast

from arsync.api import told
from arsync.config import CopyConfig
from arsync.engine.cpus import pins
from arsync.engine.descriptors import keep_standard_streams
from arsync.engine.run import run
from arsync.engine.shared import SIGNALS
from arsync.engine.small import Survey
from arsync.engine.start import Workforce
from arsync.errors import ExitCode, FatalError, UsageError
from arsync.events import Failure, Item, Progress, Sink, Totals

#: Items that are sent together, and the seconds for which one may be kept back.
_ITEMS = 256
_KEEP_SECONDS = 0.1

#: Seconds between two reports of progress.
_PROGRESS_SECONDS = 0.1


class Channel:
    """The way to the caller: a pipe, and marshalled messages (both ends are the same interpreter)."""

    def __init__(self) -> None:
        # What an import or a defect prints must not get between the messages.
        self._fd = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)
        self._gone = False
        #: whether the kernel tells when the caller ends
        self.leashed = False
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def send(self, *message: Any) -> None:
        """Send one; where nobody hears it any more the run is stopped, if the kernel has not done so already."""
        text = marshal.dumps(message)
        data = memoryview(told.LENGTH.pack(len(text)) + text)
        try:
            while data and not self._gone:
                data = data[os.write(self._fd, data) :]
        except BrokenPipeError:
            self._gone = True
            if not self.leashed:
                os.kill(os.getpid(), signal.SIGTERM)


class Reporter:
    """The sink of the run."""

    def __init__(self, channel: Channel, config: CopyConfig, items: bool, progress: bool) -> None:
        self._send = channel.send
        self._wants_items = items
        self._wants_progress = progress
        self._items: list[tuple[Any, ...]] = []
        self._sent = self._progressed = 0.0
        self._progress = Progress(0, False, 0, 0, 0, 0)
        self._skipped = 0
        self._log: Any = None
        self.done: tuple[Any, ...] = ()
        if config.log_file is not None:
            from arsync.ui.text import TextSink

            null = open(os.devnull, "wb")  # noqa: SIM115 (as long as the process)
            self._log = TextSink(config, null, null)
            if self._log.log_refused:
                self._send(told.NOTICE, os.fsdecode(self._log.log_refused))

    def item(self, item: Item) -> None:
        if self._log is not None:
            self._log.item(item)
        if self._wants_items:
            self._items.append(told.item_values(item))
            if len(self._items) >= _ITEMS or time.monotonic() - self._sent > _KEEP_SECONDS:
                self._flush()

    def _flush(self) -> None:
        self._sent = time.monotonic()
        if self._items:
            items, self._items = self._items, []
            self._send(told.ITEMS, items)

    def failure(self, failure: Failure) -> None:
        if self._log is not None:
            self._log.failure(failure)
        self._flush()
        self._send(told.FAILURE, tuple(failure))

    def notice(self, text: str, level: int) -> None:
        if self._log is not None:
            self._log.notice(text, level)
        if level == 0:
            self._send(told.NOTICE, text)

    def skipped(self, path: bytes, reason: str) -> None:
        self._skipped += 1
        if self._log is not None:
            self._log.skipped(path, reason)

    def deletion_given_up(self) -> None:
        if self._log is not None:
            self._log.deletion_given_up()
        self._send(told.NOTICE, "the source could not be read in full: nothing is deleted")

    def progress(self, progress: Progress) -> None:
        self._progress = progress
        self._flush()
        now = time.monotonic()
        if self._wants_progress and now - self._progressed >= _PROGRESS_SECONDS:
            self._progressed = now
            self._send(told.PROGRESS, told.progress_values(progress))

    def finished(self, totals: Totals) -> None:
        if self._log is not None:
            self._log.finished(totals)
        self._flush()
        if self._wants_progress:
            done, moved, files = sum(totals.seen), totals.transferred_size, totals.transferred_files
            last = Progress(self._progress.listed, True, self._progress.listed_size, done, moved, files)
            self._send(told.PROGRESS, told.progress_values(last))
        self.done = told.done_values(totals, self._skipped)

    def closed(self, code: ExitCode) -> None:
        """The run's exit code is known."""
        if self._log is not None:
            self._log.closed(code)

    def gave_up(self, error: FatalError) -> None:
        """The run could not go on."""
        if self._log is not None:
            self._log.gave_up(error)
            self._log.closed(error.code)

    def log_error(self) -> str | None:
        """Why the log file is not complete."""
        error: str | None = self._log.output_error() if self._log is not None else None
        return error

    def __getattr__(self, name: str) -> Any:
        """What only the log file tells."""
        if name.startswith("_"):
            raise AttributeError(name)
        return _ignore if self._log is None else getattr(self._log, name)


def _ignore(*_: Any) -> None:
    """Nobody asked for it."""


def main(request: tuple[Any, ...]) -> NoReturn:
    """Copy as a caller asks, and leave the process. Standard input is a socket that is closed when the caller ends."""
    values, items, progress = request
    keep_standard_streams()
    channel = Channel()
    reporter: Reporter | None = None

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if reporter is None or not reporter.done:
            os._exit(ExitCode.SIGNAL)  # the run has not begun

    for number in SIGNALS:
        signal.signal(number, on_signal)
    # A calling thread may have blocked these, and its program may ignore the ends of its children: both is inherited.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    channel.leashed = stop_with_caller()
    gc.disable()
    if "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # as in arsync.cli.main
    code = 1
    workforce = Workforce()
    try:
        config = CopyConfig.from_values(values)
        reporter = Reporter(channel, config, items, progress)
        _copy(channel, config, reporter, workforce)
        code = 0
    except BaseException:
        import traceback

        channel.send(told.DEFECT, traceback.format_exc())
    finally:
        workforce.dismiss()
        os._exit(code)


def _copy(channel: Channel, config: CopyConfig, reporter: Reporter, workforce: Workforce) -> None:
    try:
        if config.recursive and not config.workers and not _small(config.sources):
            workforce.fork(len(pins(0)))  # they read in their modules while this process does
        gc.freeze()
        gc.enable()
        code = run(config, cast(Sink, reporter), workforce)
    except FatalError as error:
        reporter.gave_up(error)
        channel.send(told.FATAL, isinstance(error, UsageError), str(error), int(error.code))
        return
    except OSError as error:
        channel.send(told.FATAL, False, str(error), int(ExitCode.FILE_IO))
        return
    reporter.closed(code)
    if (lost := reporter.log_error()) is not None:
        channel.send(told.NOTICE, lost)
        code = code or ExitCode.FILE_IO
    channel.send(told.DONE, int(code), reporter.done)


def _small(sources: tuple[bytes, ...]) -> bool:
    """Guess whether the parent alone will do; a wrong guess costs some milliseconds."""
    survey = Survey()
    for source in sources:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            survey.entries += 1  # a file, or the run itself says what is wrong
            continue
        try:
            if not survey.add_contents(fd):
                return False
        finally:
            os.close(fd)
    return survey.small()


def stop_with_caller() -> bool:
    """Have the kernel send this process SIGTERM when the socket that is its standard input is closed at the other end;
    False where it cannot (gVisor). PR_SET_PDEATHSIG would do so when the calling *thread* ends."""
    leash = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # whoever reads it (a filter rule "merge -") finds nothing
    os.close(null)
    try:
        fcntl.fcntl(leash, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(leash, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(leash, fcntl.F_SETFL, fcntl.fcntl(leash, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        return False
    if select.select([leash], [], [], 0)[0]:  # nothing more is sent: it is closed already
        os._exit(ExitCode.SIGNAL)
    return True
