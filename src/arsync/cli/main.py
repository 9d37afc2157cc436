"""The console script: from the process's start to its exit code.

What takes longest in a short run is reading in modules. So workers are forked before click is imported, where the
arguments look like a job for them, and what is imported is kept to what is used.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from arsync.engine.cpus import usable_cpus
from arsync.engine.descriptors import keep_standard_streams
from arsync.engine.shared import QUESTION
from arsync.engine.small import Survey
from arsync.engine.start import GARBAGE_THRESHOLD, Workforce
from arsync.errors import ExitCode


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    gc.disable()  # what is imported stays; looking through it for garbage is in vain
    if "ssl" not in sys.modules:
        # asyncio imports it where it can be imported, which takes as long as all the rest of it. Nothing here needs
        # TLS, and this process does nothing else.
        sys.modules["ssl"] = None  # type: ignore[assignment]
    signal.signal(QUESTION, signal.SIG_IGN)  # until there is something to say
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who started us may ignore it, and nobody could wait for a worker
    workforce = Workforce()
    try:
        keep_standard_streams()
        if is_for_workers(sys.argv[1:]):
            workforce.fork(len(usable_cpus()))
        from arsync.cli.command import run_command_line

        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
        gc.enable()
        code = run_command_line(sys.argv[1:], workforce)
    except KeyboardInterrupt:
        code = ExitCode.SIGNAL
    except OSError as error:
        code = report_error(error)
    except MemoryError:
        sys.stderr.write("arsync: there is not enough memory (ulimit -v, or a container's limit)\n")
        code = ExitCode.MEMORY
    except Exception:
        code = report_defect()
    finally:
        workforce.dismiss()
    sys.stderr.flush()
    # All is written. Taking the interpreter apart would take a tenth of the time of a run of 10,000 files.
    os._exit(code)


def report_error(error: OSError) -> int:
    """Say what the kernel refused outside of a run, which tells of its own errors."""
    from arsync.ui.escape import escape
    from arsync.ui.failures import closing_line

    where = b' "' + escape(os.fsencode(error.filename)) + b'":' if error.filename else b""
    reason = os.fsencode(f" {error.strerror} ({error.errno})\n")
    sys.stderr.buffer.write(b"arsync: cannot go on:" + where + reason + closing_line(ExitCode.FILE_IO) + b"\n")
    return ExitCode.FILE_IO


def report_defect() -> int:
    """Say what nobody can have caused but whoever wrote arsync; within an exception's handler."""
    import traceback

    from arsync import __version__

    traceback.print_exc()
    sys.stderr.write(
        f"arsync: this is a defect of arsync {__version__} and no fault of yours: please report it, with the lines\n"
        "arsync: above and the command line. What was copied until now is whole; the same command goes on from there\n"
    )
    return ExitCode.DEFECT


def is_for_workers(arguments: list[str]) -> bool:
    """Guess from the arguments, before they are parsed, whether this is a job for worker processes.

    A wrong guess costs some milliseconds: workers that are not needed are dismissed, others are forked later.
    """
    names = [os.fsencode(argument) for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    if len(names) < 2 or any(option.startswith("--workers") for option in options):
        return False
    if not any(_recursive(option) for option in options):
        return False
    survey = Survey()
    return not all(_add(survey, name) for name in names[:-1])


def _recursive(option: str) -> bool:
    if option.startswith("--"):
        return option in ("--archive", "--recursive")
    return "a" in option or "r" in option


def _add(survey: Survey, name: bytes) -> bool:
    if not name.endswith((b"/", b"/.")) and name not in (b".", b".."):
        return survey.add(name)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True  # the run itself says so
    try:
        return survey.add_contents(fd)
    finally:
        os.close(fd)
