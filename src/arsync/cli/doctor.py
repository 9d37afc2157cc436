"""``arsync --doctor [PATH...] [--json]``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from arsync.cli.options import given
from arsync.errors import ExitCode, UsageError
from arsync.options.check import check_arguments

NAME = "--doctor"


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for the report."""
    return NAME in arguments and NAME in given(arguments)


def report(arguments: Sequence[str]) -> tuple[str, ExitCode]:
    """What is to be printed, and the exit code: 0 where a copy would work, however slowly; 3 where it would not."""
    end = _end_of_options(arguments)
    options = [argument for argument in arguments[:end] if argument.startswith("-") and argument != "-"]
    for option in options:
        if option not in (NAME, "--json"):
            raise UsageError(f"{option} cannot be used with {NAME}, which takes paths and --json only")
    paths = [os.fsencode(argument) for argument in arguments[:end] if argument not in options]
    paths += [os.fsencode(argument) for argument in arguments[end + 1 :]]
    check_arguments(paths)
    from arsync.doctor.examine import examine

    found = examine(paths)
    if "--json" in options:
        # What is no UTF-8 could not be read back by every program: see path_base64.
        text = os.fsencode(json.dumps(found, indent=2, ensure_ascii=False)).decode(errors="replace")
    else:
        from arsync.doctor.text import lines

        text = "\n".join(lines(found))
    return text + "\n", ExitCode.OK if found["ok"] else ExitCode.FILE_SELECT


def _end_of_options(arguments: Sequence[str]) -> int:
    return arguments.index("--") if "--" in arguments else len(arguments)
