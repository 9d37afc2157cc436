"""Everything that reads what people, files or other programs wrote, each as a function of bytes: it returns, or refuses
as it says it does. What else it may raise is a defect."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Callable

from arsync.chmod import compile_changes
from arsync.cli import command
from arsync.config import CopyConfig
from arsync.engine.arguments import arguments
from arsync.errors import ExitCode, UsageError
from arsync.events import Item, Kind, Status
from arsync.filters import Filters
from arsync.filters.matcher import Line, build
from arsync.filters.pattern import Pattern
from arsync.fs import acl, fakesuper
from arsync.idmap import parse_map, translate
from arsync.options.sizes import parse_rate, parse_size
from arsync.options.times import parse_stop_after, parse_stop_at
from arsync.ui.escape import escape, escape_controls
from arsync.ui.formats import compile_format

FILE, DIRECTORY = 0o100000, 0o040000


def command_line(data: bytes) -> None:
    """Words that NUL bytes separate."""
    words = [os.fsdecode(word) for word in data.split(b"\0")]
    copy = command._copy
    command._copy = lambda _config, _workforce: ExitCode.OK
    try:
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            with contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO())):
                code = command.run_command_line(words)
    finally:
        command._copy = copy
    assert code in (ExitCode.OK, ExitCode.SYNTAX, ExitCode.UNSUPPORTED, ExitCode.FILE_IO), code


def filter_rules(data: bytes) -> None:
    """A filter file, and each of its lines as a rule on the command line; names are held against all of it."""
    for options in (
        [("filter", line) for line in data.split(b"\n")],
        [("filter", b". file")],
        [("exclude-from", b"file")],
    ):
        with contextlib.suppress(UsageError):
            Filters.parse(options, read=lambda name: data if name == b"file" else None)


def pattern(data: bytes) -> None:
    """A pattern, and the name that it is held against, with a NUL byte between them."""
    text, _, name = data.partition(b"\0")
    name = name.replace(b"/", b"")[:255] or b"name"
    made = Pattern(text[:1000])
    made.first_name(0)
    inside = made.advance(made.starts, name + b"/")
    for at in made.starts | inside:
        for directory in (False, True):
            matcher = build([Line(True, False, made.remains(at, directory))])
            assert matcher is None or matcher.excludes(name) in (True, False)


def files_from(data: bytes) -> None:
    """The list of --files-from."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for from0 in (False, True):
            for relative in (False, True):
                config = CopyConfig(
                    (b"src",), b"dst", files_from=os.fsencode(file.name), from0=from0, relative=relative
                )
                with contextlib.suppress(UsageError):
                    for argument in arguments(config):
                        assert b".." not in argument.parts
                        assert not any(b"/" in part or not part for part in (*argument.parts, *argument.way))


def chmod(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        change = compile_changes((data.decode("latin-1"),), 0o022)
        for kind in (FILE, DIRECTORY):
            for mode in (0, 0o644, 0o755, 0o7777):
                assert change(kind | mode) & ~0o7777 == kind


def usermap(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        mapped = translate(parse_map(os.fsdecode(data)), lambda number: f"u{number}", {"root": 0}.get)
        assert all(0 <= mapped(number) < 1 << 32 for number in (0, 1000, (1 << 32) - 2))


def sizes(data: bytes) -> None:
    text = os.fsdecode(data)
    for parse in (parse_size, parse_rate):
        with contextlib.suppress(ValueError):
            assert isinstance(parse(text), int)


def times(data: bytes) -> None:
    text = os.fsdecode(data)
    for parse in (parse_stop_after, parse_stop_at):
        with contextlib.suppress(ValueError):
            assert parse(text, 1_700_000_000.0) > 1_700_000_000


def out_format(data: bytes) -> None:
    """A format and an entry's name."""
    form, _, name = data.partition(b"\0")
    config = CopyConfig((b"src",), b"dst")
    status = Status(0o100644, 0, 0, 10, 10**18, 0, b"")
    for shown in (escape, escape_controls):
        make = compile_format(form[:200], shown, config)
        for item in (Item(name or b"n", Kind.FILE, 0, name, status), Item(name or b"n", Kind.DIRECTORY, 0)):
            assert not set(make(item)) & {*range(9), *range(10, 32)}  # but for tab


def stored_status(data: bytes) -> None:
    """What --fake-super reads from an attribute that anybody may have written."""
    try:
        mode, major, minor, uid, gid = fakesuper._parsed(data)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return
    os.makedev(major, minor)
    assert 0 <= uid < 1 << 32 > gid >= 0 <= mode


def stored_acl(data: bytes) -> None:
    acl.translated({acl.ACL_DEFAULT: data}, lambda number: number // 2, None)


PARSERS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        *(command_line, filter_rules, pattern, files_from, chmod, usermap, sizes, times, out_format),
        *(stored_status, stored_acl),
    )
}
