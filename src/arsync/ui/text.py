"""What a run prints: a Sink that writes rsync's lines to stdout and stderr, and to a log file."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, BinaryIO

from arsync.config import Append, CopyConfig, DeleteWhen
from arsync.errors import ExitCode, FatalError
from arsync.events import DELETED, SEARCHED, TRANSFER, Failure, Item, Kind, Progress, Totals
from arsync.reporting import letters, reporting
from arsync.ui.errorsummary import ErrorSummary
from arsync.ui.escape import escape, escape_controls, escape_for_log
from arsync.ui.failures import closing_line, failure_line
from arsync.ui.lines import line_maker, list_begins
from arsync.ui.notes import is_shown, note_line
from arsync.ui.output import Output
from arsync.ui.reasons import reason

if TYPE_CHECKING:
    from arsync.ui.drawing import Drawing
    from arsync.ui.logfile import LogFile
    from arsync.ui.progress import ProgressLines


class TextSink:
    """Prints in the order in which it is told; stdout is flushed before anything goes to stderr."""

    def __init__(self, config: CopyConfig, out: BinaryIO, err: BinaryIO) -> None:
        report = reporting(config)
        self._config = config
        self._info = report.info
        self._debug = report.debug
        self._output = Output(config, out, err)
        self._drawing: Drawing | None = None
        if report.drawn:
            from arsync.ui.drawing import Drawing

            self._drawing = Drawing(config, out, err)
            self._output = self._drawing.screen
        self._escape = escape_controls if config.eight_bit_output else escape
        self._errors = ErrorSummary()
        self.log_refused = b""  # why there is no log file, though one was asked for
        self._log: LogFile | None = self._open_log()
        in_items = "i" in letters(report.stdout)
        self._has_items = in_items
        self._line = line_maker(config, report.stdout, self._escape) if not config.quiet else None
        self._log_line = None
        if self._log is not None and report.log is not None:
            self._log_line = line_maker(config, report.log, escape_for_log, every=in_items)
        self._progress_lines = self._make_progress_lines() if report.progress and not report.drawn else None
        self._began = time.monotonic()
        self._progress = Progress(0, False, 0, 0, 0, 0)
        self._preamble = bool(self._debug["flist"] or (config.without_effect and self._info["misc"] > 1))

    def _open_log(self) -> LogFile | None:
        if self._config.log_file is None:
            return None
        from arsync.ui.logfile import open_log

        log, self.log_refused = open_log(self._config)
        if self.log_refused:
            self._output.complain(b"arsync: " + self.log_refused)
            if not self._config.quiet:
                self._output.line(b'Ignoring "log file" setting.')
        return log

    def _make_progress_lines(self) -> ProgressLines:
        from arsync.ui.progress import ProgressLines

        escape = self._escape if self._line is not None else None
        return ProgressLines(self._config, self._output, total=self._info["progress"] > 1, escape=escape)

    def _print(self, line: bytes) -> None:
        if self._progress_lines is not None:
            self._progress_lines.end_line()
        self._output.line(line)

    def _say(self, line: bytes) -> None:
        """Print a message, and log it."""
        if not self._config.quiet:
            self._print(line)
        if self._log is not None:
            self._log.line(line)

    def _complain(self, line: bytes) -> None:
        if self._progress_lines is not None:
            self._progress_lines.end_line()
        self._output.complain(line)

    def flush(self) -> None:
        """Write what was collected; nothing is drawn any more."""
        if self._drawing is not None:
            self._drawing.close()
        self._output.flush()
        if self._log is not None:
            self._log.flush()

    def output_error(self) -> str | None:
        """Why output could not be written; None where it could be, or nobody reads it any more."""
        if (error := self._output.lost()) is not None:
            return f"write to the standard output failed: {error.strerror} ({error.errno})"
        if self._log is not None and (error := self._log.lost) is not None:
            return f"write to the log file failed: {error.strerror} ({error.errno})"
        return None

    def started(self) -> None:
        if self._log is not None:
            self._log.line(b"building file list")
        if self._info["flist"] and not self._config.quiet and (text := list_begins(self._config)):
            self._print(text)
        if self._drawing is not None:
            self._drawing.progress(self._progress)

    def created_directory(self, dest: bytes) -> None:
        if self._info["name"] or self._has_items:
            self._say(b"created directory " + self._escape(dest.rstrip(b"/") or b"/"))

    def _begin_items(self) -> None:
        """What is said once, before the first entry."""
        self._preamble = False
        if self._debug["flist"]:
            whole = self._config.whole_file and self._config.append is Append.NO
            self._say(
                b"delta-transmission " + (b"disabled for local transfer or --whole-file" if whole else b"enabled")
            )
        if self._info["misc"] > 1:
            for option in self._config.without_effect:
                self._say(f"{option} has no effect on a local copy".encode())

    def _comes_first(self, item: Item) -> bool:
        """Whether it is about what is deleted before all else, of which rsync tells before the first entry."""
        return self._config.delete is DeleteWhen.BEFORE and bool(item.changes & (DELETED | SEARCHED))

    def item(self, item: Item) -> None:
        if self._preamble and not self._comes_first(item):
            self._begin_items()
        if self._info["reason"] and (why := reason(self._config, item)) is not None:
            self._say(self._escape(item.path) + b": " + why.encode())
        if self._log_line is not None and self._log is not None and (line := self._log_line(item)) is not None:
            self._log.line(line)
        lines = self._progress_lines
        named = lines is not None and lines.has_named(item.path)
        if self._line is not None and (line := self._line(item)) is not None and not named:
            self._print(line)
        if lines is not None and item.changes & TRANSFER and item.kind == Kind.FILE:
            lines.copied(item, self._progress)

    def skipped(self, path: bytes, why: str) -> None:
        if why == "directory":
            self._say(b"skipping directory " + self._escape(path))
        elif self._info["nonreg"]:
            self._say(b"skipping " + why.encode() + b' "' + self._escape(path) + b'"')

    def note(self, item: Item) -> None:
        if self._preamble and not self._comes_first(item):
            self._begin_items()
        if is_shown(item, self._info, self._debug):
            self._say(note_line(item, self._escape))

    def unsafe_link(self, path: bytes, target: bytes, copied: bool) -> None:
        if self._info["symsafe"]:
            word = b"copying" if copied else b"ignoring"
            self._say(word + b' unsafe symlink "' + self._escape(path) + b'" -> "' + self._escape(target) + b'"')

    def made_path(self, path: bytes, count: int) -> None:
        if self._info["name"] or self._has_items:
            word = b"directory" if count == 1 else b"directories"
            self._say(b"created %d %s for %s" % (count, word, self._escape(path.rstrip(b"/") or b"/")))

    def deletion_given_up(self) -> None:
        self._say(b"IO error encountered -- skipping file deletion")

    def kept(self, path: bytes) -> None:
        self._say(b"cannot delete non-empty directory: " + self._escape(path))

    def failure(self, failure: Failure) -> None:
        line = failure_line(failure)
        if self._log is not None:
            self._log.line(line)
        if self._errors.shows(failure):
            self._complain(line)

    def notice(self, text: str, level: int) -> None:
        line = os.fsencode(text)  # which may hold names
        if level == 0:
            self._complain(self._escape(line))
            if self._log is not None:
                self._log.line(escape_for_log(line))
        elif self._config.verbose >= level:
            self._say(self._escape(line))

    def progress(self, progress: Progress) -> None:
        self._progress = progress
        if self._drawing is not None:
            self._drawing.progress(progress)
        if self._progress_lines is not None:
            self._progress_lines.during(progress)

    def standing(self, progress: Progress) -> None:
        from arsync.ui.standing import standing

        for line in standing(progress, time.monotonic() - self._began):
            self._complain(os.fsencode(line))

    def cut_off(self) -> None:
        if self._drawing is not None:
            self._drawing.cut_off()

    def finished(self, totals: Totals) -> None:
        if self._preamble:
            self._begin_items()
        if self._drawing is not None:
            self._drawing.finished(totals, self._progress)
        if self._progress_lines is not None:
            self._progress_lines.finished(totals, self._progress)
        if self._info["stats"] or self._debug["deltasum"] or self._debug["io"]:
            from arsync.ui.summary import at_the_end

            for line in at_the_end(self._config, self._info, self._debug, totals):
                self._say(line.encode())
        if self._log is not None and not self._info["stats"]:
            from arsync.ui.summary import logged

            self._log.line(logged(totals))
        for last in (*self._errors.lines(), *self._errors.hints()):
            self._complain(last)
        self.flush()

    def gave_up(self, error: FatalError) -> None:
        """The run could not go on, as whoever catches the error tells; the log file says it too."""
        if self._log is not None:
            self._log.line(b"arsync: " + escape(os.fsencode(str(error))))
            self._log.line(closing_line(error.code))

    def closed(self, code: ExitCode) -> None:
        """The run's exit code is known; nothing follows."""
        if code is not ExitCode.OK:
            line = closing_line(code)
            self._complain(line)
            if self._log is not None:
                self._log.line(line)
        if self._debug["exit"]:
            self._say(f"exit with code {int(code)}".encode())
        self._output.flush()
        if self._log is not None:
            self._log.close()
