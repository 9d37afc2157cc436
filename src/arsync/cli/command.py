"""``arsync [OPTIONS] SRC... DEST``: from argv to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from arsync.cli.options import every_option, for_click, given, in_order, options_in, times_given
from arsync.config import CopyConfig
from arsync.errors import ExitCode, FatalError, UsageError
from arsync.options import rows
from arsync.options.check import check_arguments, configuration
from arsync.options.refused import REASONS, why_refused
from arsync.options.table import WITHOUT_EFFECT, Fields, Row, Value

if TYPE_CHECKING:
    from arsync.engine.start import Workforce
    from arsync.ui.jsonl import JsonSink
    from arsync.ui.text import TextSink

#: Where what the options said is kept between click's steps.
_FIELDS = "arsync.fields"


class Command(click.Command):
    """Keeps the order of the options, says why rsync's others are refused, and groups --help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if shown := _about(args):
            _show(shown)
            ctx.exit(0)
        if "--doctor" in args:
            from arsync.cli import doctor

            if doctor.is_asked_for(args):
                shown, code = doctor.report(args)
                _show(shown)
                ctx.exit(code)
        if args == ["-h"]:
            args = ["--help"]  # as rsync has it: help only on its own
        args = for_click(args)
        self.params = [*options_in(args), *_ARGUMENTS]
        try:
            return self._parse(ctx, args)
        except click.NoSuchOption:
            self.params = [*every_option(), *_ARGUMENTS]  # to tell which one may have been meant
        try:
            return self._parse(ctx, args)
        except click.NoSuchOption as error:
            raise _no_such_option(error, args) from error

    def _parse(self, ctx: click.Context, args: list[str]) -> list[str]:
        values, _, order = self.make_parser(ctx).parse_args(list(args))
        if meant := _long_with_one_dash(args):
            sys.stderr.write(f"arsync: warning: {meant} means options of one letter; -{meant} has two dashes\n")
        rest = super().parse_args(ctx, args)
        ctx.meta[_FIELDS] = _fold(in_order(order, values))
        return rest

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in every_option():
            if (record := option.get_help_record(ctx)) is not None:
                sections.setdefault(option.row.section, []).append(
                    (record[0].replace(" [=", "[="), record[1])  # a value that may be left out
                )
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)
        with formatter.section("Turning off"):
            formatter.write_dl([("--no-OPTION", "turn an option off that another implied, as in -a --no-o")])


def _fold(options: Iterator[tuple[Row, str, str]]) -> Fields:
    """What the options set, each in its turn."""
    fields: Fields = {}
    ignored = []
    for row, name, text in options:
        try:
            row.act(fields, text)
        except ValueError as error:
            raise UsageError(f"{name}={text}: {text!r} {error}") from error
        if row.section == WITHOUT_EFFECT and not name.startswith("--no-"):
            ignored.append(name)
    fields["without_effect"] = tuple(ignored)
    return fields


def _no_such_option(error: click.NoSuchOption, args: list[str]) -> UsageError:
    option = error.option_name
    reason = why_refused(option)
    if reason is not None:
        return UsageError(f"{option} is refused: {reason}", ExitCode.UNSUPPORTED)
    if meant := _long_with_one_dash(args):
        return UsageError(f"{option}: unknown option in {meant}; -{meant} has two dashes")
    from arsync.suggest import did_you_mean

    names = [name for name, row in rows().items() if name.startswith("--") and row.section != WITHOUT_EFFECT]
    names += [name for name in REASONS if name.startswith("--")]
    if not option.startswith("--no"):
        names = [name for name in names if not name.startswith("--no-")]
    return UsageError(f"{option}: unknown option{did_you_mean(option, names)}; arsync --help lists them")


def _long_with_one_dash(args: list[str]) -> str:
    """``-verify`` where ``--verify`` must have been meant; "" where there is no such argument."""
    return next((arg for arg in given(args) if len(arg) > 3 and "-" + arg.partition("=")[0] in rows()), "")


def _bad_usage(error: click.ClickException, args: list[str]) -> str:
    """click's message, with what to write instead where that can be told."""
    option = getattr(error, "option_name", None)
    row = rows().get(option or "")
    if meant := _long_with_one_dash(args):
        return f"{error.format_message()} ({meant} means several options of one letter; -{meant} has two dashes)"
    if option is not None and "does not take a value" in error.format_message():
        return f"{option} takes no value: write {option} alone"
    if not isinstance(row, Value) or option is None:
        return error.format_message()
    return f"{option} needs a value: {option}{'=' if option.startswith('--') else ' '}{row.metavar}"


_EPILOG = """\b
SRC/ copies what is in SRC, SRC without the slash copies SRC itself into DEST.

\b
Exit status: 0 all well; 1 wrong usage; 3 no such destination; 4 not
supported; 11 error in file I/O (destination full); 12 a worker process died;
13 a defect of arsync; 20 interrupted; 22 not enough memory; 23 some files
could not be copied; 24 some vanished meanwhile; 25 --max-delete was reached;
30 the time of --timeout or --stop-at was over; 75 another run has the lock.

\b
SIGUSR1 makes a run say where it stands: pkill -USR1 arsync
"""


def _show(text: str) -> None:
    """Write what was asked for to the standard output. Raises FatalError where that cannot be."""
    try:
        click.echo(os.fsencode(text), nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FatalError(
            f"write to the standard output failed: {error.strerror} ({error.errno})", ExitCode.FILE_IO
        ) from error


def _show_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        _show(ctx.get_help() + "\n")
        ctx.exit(0)


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["--help"], "max_content_width": 80},
    epilog=_EPILOG,
)
@click.option("--version", "-V", count=True, expose_value=False, help="show the version; twice: as JSON")
@click.argument("paths", nargs=-1, type=click.UNPROCESSED, metavar="SRC... DEST")
@click.pass_context
def command(ctx: click.Context, paths: tuple[str, ...]) -> None:
    """Copy files and directories on this machine, as rsync does, faster."""
    fields = ctx.meta[_FIELDS]
    if shown := _flag_help(fields):
        _show(shown)
        ctx.exit(0)
    arguments = [os.fsencode(path) for path in paths]
    check_arguments(arguments)
    if not arguments:
        raise UsageError("no files were named; say arsync [OPTIONS] SRC... DEST (arsync --help lists the options)")
    if len(arguments) == 1:
        if fields.get("files_from") is not None:
            raise UsageError("--files-from needs a DEST behind SRC, be it for --list-only")
        fields["list_only"] = True
        arguments.append(b".")
    config = configuration(fields, tuple(arguments[:-1]), arguments[-1])
    ctx.exit(_copy(config, ctx.obj))


#: The parameters that are not in the table.
_ARGUMENTS = list(command.params)


def _about(args: list[str]) -> str:
    """What --version and -VV show; "" where neither was asked for."""
    count = times_given("V", args) + list(given(args)).count("--version")
    if not count:
        return ""
    from arsync.ui.version import version_json, version_text

    return version_text() if count == 1 else version_json()


def _flag_help(fields: Fields) -> str:
    """What --info=help and --debug=help show."""
    from arsync.levels import help_wanted

    for field in ("info", "debug"):
        if help_wanted(fields.get(field, ())):
            from arsync.ui.flaghelp import debug_help, info_help

            return info_help() if field == "info" else debug_help()
    return ""


def _copy(config: CopyConfig, workforce: Workforce | None) -> ExitCode:
    from arsync.engine.run import run

    sink = _sink(config)
    try:
        code = run(config, sink, workforce)
    except FatalError as error:
        sink.gave_up(error)
        raise _ToldError(str(error), error.code) from error
    finally:
        sink.flush()
    if (lost := sink.output_error()) is not None:
        sys.stderr.write(f"arsync: {lost}\n")
        code = code or ExitCode.FILE_IO
    sink.closed(code)
    return code


class _ToldError(FatalError):
    """One that --json has told already."""


def _sink(config: CopyConfig) -> TextSink | JsonSink:
    if config.json:
        from arsync.ui.jsonl import JsonSink

        return JsonSink(config, sys.stdout.buffer, sys.stderr.buffer)
    from arsync.ui.text import TextSink

    return TextSink(config, sys.stdout.buffer, sys.stderr.buffer)


def run_command_line(arguments: list[str], workforce: Workforce | None = None) -> int:
    """Run one command line and return its exit code; ``workforce`` as for :func:`arsync.engine.run.run`."""
    try:
        result = command.main(arguments, prog_name="arsync", standalone_mode=False, obj=workforce)
    except click.ClickException as error:
        failure: FatalError = UsageError(_bad_usage(error, arguments))
    except FatalError as error:
        failure = error
    except click.Abort:  # what click makes of ^C, before the run has handlers of its own
        return ExitCode.SIGNAL
    else:
        return result if isinstance(result, int) else ExitCode.OK
    if "--json" in given(arguments) and not isinstance(failure, _ToldError):
        from arsync.ui.jsonl import unborn

        sys.stdout.buffer.write(unborn(failure))
    return _complain(failure)


def _complain(failure: FatalError) -> int:
    from arsync.ui.escape import escape
    from arsync.ui.failures import closing_line

    sys.stdout.flush()
    text = escape(os.fsencode(str(failure)))  # which may hold names, and rules of a merge file
    sys.stderr.buffer.write(b"arsync: " + text + b"\n" + closing_line(failure.code) + b"\n")
    return int(failure.code)
