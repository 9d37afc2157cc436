"""``arsync [OPTIONS] SRC... DEST``: from argv to an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from arsync import __version__
from arsync.cli.flags import OWN, SELECTING, all_flags
from arsync.cli.refused import is_remote, why_refused
from arsync.cli.sizes import parse_size
from arsync.config import DEFAULT_BUFFER_SIZE, DEFAULT_QUEUE_DEPTH, CopyConfig, CopyMethod, IoEngine
from arsync.errors import ExitCode, FatalError, UsageError

if TYPE_CHECKING:
    from arsync.engine.start import Workforce

#: Where the parsed flags are kept between click's steps.
_FIELDS = "arsync.fields"

#: What --buffer-size may be: a page at least, and no more than what is sensibly kept in memory per lane.
_BUFFER_RANGE = (4096, 64 << 20)


class FlagOption(click.Option):
    """An option without a value that changes fields of the configuration."""

    def __init__(self, names: tuple[str, ...], sets: dict[str, Any], section: str, **extra: Any) -> None:
        super().__init__(list(names), is_flag=True, expose_value=False, **extra)
        self.sets = sets
        self.section = section


class ValueOption(click.Option):
    """An option of arsync's own, with a value."""

    section = OWN


def _size(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    try:
        size = parse_size(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if not _BUFFER_RANGE[0] <= size <= _BUFFER_RANGE[1]:
        raise click.BadParameter(f"{value} is not between 4K and 64M")
    return size


class Command(click.Command):
    """Keeps the order of the options, says why rsync's others are refused, and groups --help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args == ["-h"]:
            args = ["--help"]  # as rsync has it: help only on its own
        parser = self.make_parser(ctx)
        try:
            _, _, order = parser.parse_args(list(args))
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _no_such_option(error) from error
        ctx.meta[_FIELDS] = _fold([param for param in order if isinstance(param, FlagOption)])
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {SELECTING: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                sections.setdefault(getattr(param, "section", OWN), []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)
        with formatter.section("Turning off"):
            formatter.write_dl([("--no-OPTION", "turn an option off that another implied, as in -a --no-o")])


def _fold(order: list[FlagOption]) -> dict[str, Any]:
    """What the flags set, each in its turn."""
    fields: dict[str, Any] = {}
    for option in order:
        for field, value in option.sets.items():
            fields[field] = fields.get(field, 0) + 1 if value == "+1" else value
    return fields


def _no_such_option(error: click.NoSuchOption) -> UsageError:
    option = error.option_name
    reason = why_refused(option)
    if reason is not None:
        return UsageError(f"{option} is refused: {reason}", ExitCode.UNSUPPORTED)
    near = f" (did you mean {', '.join(error.possibilities)}?)" if error.possibilities else ""
    return UsageError(f"{option}: unknown option{near}")


_EPILOG = """\b
SRC/ copies what is in SRC, SRC without the slash copies SRC itself into DEST.

\b
Exit status: 0 all well; 1 wrong usage; 3 no such destination; 4 not
supported; 11 error in file I/O (destination full); 12 a worker process died;
20 interrupted; 23 some files could not be copied; 24 some vanished meanwhile.
"""


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["--help"], "max_content_width": 80},
    epilog=_EPILOG,
    params=[
        FlagOption(flag.names, flag.sets, flag.section, help=flag.help, hidden=flag.hidden) for flag in all_flags()
    ],
)
@click.option(
    "--io-engine",
    cls=ValueOption,
    type=click.Choice([engine.value for engine in IoEngine]),
    default=IoEngine.AUTO.value,
    help="how files are read and written: io_uring where it pays (auto), always, or never",
)
@click.option(
    "--workers",
    cls=ValueOption,
    type=click.IntRange(0, 1024),
    default=0,
    metavar="N",
    help="worker processes; 0: one for each usable CPU, none for a small job",
)
@click.option(
    "--queue-depth",
    cls=ValueOption,
    type=click.IntRange(1, 4096),
    default=DEFAULT_QUEUE_DEPTH,
    metavar="N",
    help="files in flight in each worker where storage waits",
)
@click.option(
    "--buffer-size",
    cls=ValueOption,
    callback=_size,
    default=str(DEFAULT_BUFFER_SIZE),
    metavar="SIZE",
    help="bytes of one read or write of large files",
)
@click.option(
    "--copy-method",
    cls=ValueOption,
    type=click.Choice([method.value for method in CopyMethod]),
    default=CopyMethod.AUTO.value,
    help="how data is moved; a method that cannot gives way to the next",
)
@click.version_option(__version__, "--version", "-V", message="arsync  version %(version)s")
@click.argument("paths", nargs=-1, type=click.UNPROCESSED, metavar="SRC... DEST")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    io_engine: str,
    workers: int,
    queue_depth: int,
    buffer_size: int,
    copy_method: str,
) -> None:
    """Copy files and directories on this machine, as rsync does, faster."""
    arguments = [os.fsencode(path) for path in paths]
    _check_arguments(arguments)
    config = CopyConfig(
        sources=tuple(arguments[:-1]),
        dest=arguments[-1],
        io_engine=IoEngine(io_engine),
        workers=workers,
        queue_depth=queue_depth,
        buffer_size=buffer_size,
        copy_method=CopyMethod(copy_method),
        **ctx.meta[_FIELDS],
    )
    ctx.exit(_copy(config, ctx.obj))


def _check_arguments(arguments: list[bytes]) -> None:
    for argument in arguments:
        if is_remote(argument):
            raise UsageError(
                f'"{os.fsdecode(argument)}" is on another machine: arsync copies on this one only, use rsync for that '
                f"(a local name with a colon is written ./NAME)",
                ExitCode.UNSUPPORTED,
            )
        if not argument:
            raise UsageError("an argument is empty; the current directory is written .")
    if not arguments:
        raise UsageError("no files were named; say arsync [OPTIONS] SRC... DEST (arsync --help lists the options)")
    if len(arguments) == 1:
        raise UsageError("no destination was named: arsync does not list files as rsync does; use ls or rsync")


def _copy(config: CopyConfig, workforce: Workforce | None) -> ExitCode:
    from arsync.engine.run import run
    from arsync.ui.text import TextSink, closing_line

    sink = TextSink(config, sys.stdout.buffer, sys.stderr.buffer)
    try:
        code = run(config, sink, workforce)
    finally:
        sink.flush()
    if (error := sink.output_error()) is not None:
        sys.stderr.write(f"arsync: write to the standard output failed: {error.strerror} ({error.errno})\n")
        code = code or ExitCode.FILE_IO
    if code is not ExitCode.OK:
        sys.stderr.buffer.write(closing_line(code) + b"\n")
    return code


def run_command_line(arguments: list[str], workforce: Workforce | None = None) -> int:
    """Run one command line and return its exit code; ``workforce`` as for :func:`arsync.engine.run.run`."""
    try:
        result = command.main(arguments, prog_name="arsync", standalone_mode=False, obj=workforce)
    except click.ClickException as error:
        failure: FatalError = UsageError(error.format_message())
    except FatalError as error:
        failure = error
    except click.Abort:  # what click makes of ^C, before the run has handlers of its own
        return ExitCode.SIGNAL
    else:
        return result if isinstance(result, int) else ExitCode.OK
    return _complain(failure)


def _complain(failure: FatalError) -> int:
    from arsync.ui.text import closing_line

    sys.stdout.flush()
    sys.stderr.buffer.write(b"arsync: " + os.fsencode(str(failure)) + b"\n" + closing_line(failure.code) + b"\n")
    return int(failure.code)
