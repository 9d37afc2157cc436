"""Running a command and saying what it took: wall time, CPU time, memory."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

#: A run that takes longer than this hangs, in any case of this benchmark.
LIMIT_S = 900.0
#: Between two looks at the memory of all processes; a look costs about a millisecond.
SAMPLE_S = 0.05


class RunError(Exception):
    """A tool ended with an error, hung, or did not make a copy."""


@dataclass(frozen=True)
class Sample:
    """One run."""

    wall: float
    """Seconds from before the fork to after the exit."""
    cpu: float
    """Seconds of user and system time, of the process and of the children it waited for."""
    memory: int = 0
    """The most bytes of memory (PSS) that all its processes had together; 0 where it was not watched."""


def timed(command: list[str], output: Path, watch_memory: bool = False) -> Sample:
    """Run a command in a session of its own, its output to a file; raises RunError with its last line on any error."""
    with output.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        watch = _Watch(process.pid) if watch_memory else None
        timer = threading.Timer(LIMIT_S, _kill, (process.pid,))
        timer.daemon = True
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _kill(process.pid)
            process.wait()
            raise
        finally:
            wall = time.perf_counter() - started
            timer.cancel()
            peak = watch.stop() if watch else 0
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunError(_last_words(process.returncode, output))
    return Sample(wall, usage.ru_utime + usage.ru_stime, peak)


def _last_words(code: int, output: Path) -> str:
    lines = output.read_text(errors="replace").strip().splitlines()
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
    return f"{how}: {lines[-1][:200]}" if lines else how


def _kill(session: int) -> None:
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return


class _Watch:
    """Samples the memory of all processes of a session until stopped."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self._peak = max(self._peak, sum(_pss(pid) for pid in _members(self._session)))

    def stop(self) -> int:
        """End sampling; the peak in bytes."""
        self._done.set()
        self._thread.join()
        return self._peak


def _members(session: int) -> list[int]:
    members = []
    for name in os.listdir("/proc"):
        if name.isdigit() and _session_of(int(name)) == session:
            members.append(int(name))
    return members


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _pss(pid: int) -> int:
    """Proportional set size in bytes: pages shared by n processes count 1/n in each. 0 for a process just gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0
