"""--json: a Sink that writes an object a line to stdout, and nothing else there.

For people, stderr has the same lines as without --json, and so has the log file.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, BinaryIO, cast

from arsync import __version__
from arsync.config import CopyConfig
from arsync.errors import ExitCode, FatalError
from arsync.events import DELETED, NOTES, Failure, Item, Kind, Progress, Totals
from arsync.reporting import reporting
from arsync.ui import objects, runobjects
from arsync.ui.advice import advice
from arsync.ui.estimate import Estimate
from arsync.ui.notes import FLAGS
from arsync.ui.output import Output
from arsync.ui.reasons import reason
from arsync.ui.text import TextSink

if TYPE_CHECKING:
    from arsync.ui.objects import Object

#: Seconds between two progress objects.
_PROGRESS_EVERY = 1.0


class _Nowhere:
    """What the lines for people's stdout are written to."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing was kept."""

    def isatty(self) -> bool:
        return False


class JsonSink:
    """Writes objects in the order in which things happen; the last one is the summary, with the exit code."""

    def __init__(self, config: CopyConfig, out: BinaryIO, err: BinaryIO) -> None:
        report = reporting(config)
        self._config = config
        self._info = report.info
        self._quiet = bool(config.quiet)
        self._output = Output(config, out, err)
        people = config._replace(json=False, progress=False, info=(*config.info, "progress0"))
        self._people = TextSink(people, cast("BinaryIO", _Nowhere()), err)
        self._began = self._next = time.monotonic()
        self._estimate = Estimate(self._began)
        self._totals = Totals()
        self._kinds: dict[tuple[str, int, str], Object] = {}

    def _write(self, made: Object) -> None:
        # ASCII only: no name can do anything to a terminal, and no reader needs to know an encoding.
        self._output.line(json.dumps(made, separators=(",", ":")).encode())

    def _tell(self, made: Object) -> None:
        """What --quiet leaves out."""
        if not self._quiet:
            self._write(made)

    def flush(self) -> None:
        """Write what was collected."""
        self._output.flush()
        self._people.flush()

    def output_error(self) -> str | None:
        """As :meth:`TextSink.output_error`."""
        if (error := self._output.lost()) is not None:
            return f"write to the standard output failed: {error.strerror} ({error.errno})"
        return self._people.output_error()

    def started(self) -> None:
        self._write(runobjects.start(self._config, __version__) | {"time": _now()})
        if self._info["misc"] > 1:
            for option in self._config.without_effect:
                text = f"{option} has no effect on a local copy"
                self._tell({"type": "message", "level": 2, "text": text})
        self._output.flush()  # whoever reads this sees at once that it has begun
        self._people.started()

    def created_directory(self, dest: bytes) -> None:
        self._tell({"type": "mkdir", **objects.name("path", dest), "count": 1})
        self._people.created_directory(dest)

    def made_path(self, path: bytes, count: int) -> None:
        self._tell({"type": "mkdir", **objects.name("path", path), "count": count})
        self._people.made_path(path, count)

    def item(self, item: Item) -> None:
        if not self._quiet:
            self._write(self._object(item))
        self._people.item(item)

    def _object(self, item: Item) -> Object:
        if item.changes & DELETED:
            return {"type": "delete", **objects.name("path", item.path), "kind": Kind(item.kind).name.lower()}
        why = reason(self._config, item) if self._info["reason"] else None
        return objects.entry(self._config, item, why)

    def skipped(self, path: bytes, why: str) -> None:
        if why == "directory" or self._info["nonreg"]:
            self._tell(objects.skipped(path, why))
        self._people.skipped(path, why)

    def note(self, item: Item) -> None:
        if (flag := FLAGS.get(item.changes & NOTES)) and self._info[flag]:
            self._tell(objects.note(item))
        self._people.note(item)

    def unsafe_link(self, path: bytes, target: bytes, copied: bool) -> None:
        if self._info["symsafe"]:
            said = {"type": "unsafe", **objects.name("path", path), **objects.name("target", target), "copied": copied}
            self._tell(said)
        self._people.unsafe_link(path, target, copied)

    def kept(self, path: bytes) -> None:
        self._tell({"type": "keep", **objects.name("path", path), "reason": "directory not empty"})
        self._people.kept(path)

    def deletion_given_up(self) -> None:
        self._write({"type": "message", "level": 0, "text": "IO error encountered -- skipping file deletion"})
        self._people.deletion_given_up()

    def failure(self, failure: Failure) -> None:
        made = objects.failure(failure)
        key = (made["severity"], failure.errno, failure.operation)
        kind = self._kinds.setdefault(
            key, {member: made[member] for member in made if member not in ("type", "message")} | {"count": 0}
        )
        kind["count"] += 1
        if kind["count"] == 1 and (hint := advice(failure)) is not None:
            kind["hint"] = hint
        self._write(made)
        self._people.failure(failure)

    def notice(self, text: str, level: int) -> None:
        if level == 0:
            self._write({"type": "message", "level": 0, "text": text.removeprefix("arsync: ")})
        elif self._config.verbose >= level:
            self._tell({"type": "message", "level": level, "text": text})
        self._people.notice(text, level)

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_EVERY
            self._say_progress(progress)

    def _say_progress(self, progress: Progress) -> None:
        self._estimate.update(progress, time.monotonic())
        self._write(runobjects.progress(progress, self._estimate, workers=self._config.verbose > 0))
        self._output.flush()

    def standing(self, progress: Progress) -> None:
        self._say_progress(progress)
        self._people.standing(progress)

    def cut_off(self) -> None:
        """Nothing is drawn."""

    def finished(self, totals: Totals) -> None:
        self._totals = totals
        self._people.finished(totals)

    def gave_up(self, error: FatalError) -> None:
        """The run could not go on; whoever catches the error says so to people."""
        self._write(runobjects.fatal(error))
        self._people.gave_up(error)
        self._end(error.code)

    def closed(self, code: ExitCode) -> None:
        """The run's exit code is known; nothing follows."""
        self._end(code)
        self._people.closed(code)

    def _end(self, code: ExitCode) -> None:
        elapsed = time.monotonic() - self._began
        made = runobjects.summary(self._config, self._totals, code, elapsed, list(self._kinds.values()))
        self._write(made | {"time": _now()})
        self._output.flush()


def unborn(error: FatalError) -> bytes:
    """All that is written where the command line is not understood."""
    made = (runobjects.fatal(error), runobjects.ending(error.code) | {"time": _now()})
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in made)


def _now() -> str:
    """The time in UTC, in the form of RFC 3339."""
    seconds, ns = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{ns // 1000:06d}Z"
