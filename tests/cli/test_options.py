"""The option table against rsync's own idea of the same options, and against whatever people may type."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arsync.cli import command
from arsync.config import CopyConfig, CopyMethod, IoEngine
from arsync.errors import ExitCode
from arsync.options import rows, table
from arsync.options.flags import FLAGS, NEGATIONS
from arsync.options.ignored import IGNORED
from arsync.options.refused import REASONS
from arsync.options.sizes import parse_size
from arsync.options.table import Value
from arsync.options.values import VALUES
from support.commands import arsync, rsync

EVERY_NAME = sorted(rows())
OWN = sorted(name for name, row in rows().items() if row.section == table.OWN and not row.hidden)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[CopyConfig]:
    """The configurations that command lines would have been run with."""
    seen: list[CopyConfig] = []

    def remember(config: CopyConfig, _workforce: Any) -> ExitCode:
        seen.append(config)
        return ExitCode.OK

    monkeypatch.setattr(command, "_copy", remember)
    return seen


def parse(parsed: list[CopyConfig], *options: str) -> CopyConfig:
    assert command.run_command_line([*options, "src", "dst"]) == 0
    return parsed[-1]


@pytest.mark.parametrize(
    "flag", [flag for flag in FLAGS if "--doctor" not in flag.names], ids=lambda flag: flag.names[0]
)
def test_each_option_by_each_name(parsed: list[CopyConfig], flag: Any) -> None:
    for name in flag.names:
        config = parse(parsed, "-r", name)
        for field, value in flag.sets.items():
            if field not in CopyConfig._fields:
                continue
            got = getattr(config, field)
            if isinstance(value, tuple):
                assert got == (value,), name
            else:
                assert int(got) >= 1 if value == "+1" else bool(got) == bool(value), name


@pytest.mark.parametrize("field", NEGATIONS)
def test_each_negation_undoes_it(parsed: list[CopyConfig], field: str) -> None:
    on = next(flag for flag in FLAGS if field in flag.sets).names[0]
    for negation in NEGATIONS[field]:
        assert not getattr(parse(parsed, on, negation), field), negation
        # The last one counts, as in rsync.
        assert getattr(parse(parsed, negation, on), field), negation


#: Negations that rsync 3.5 does not have; arsync has one for every option.
MORE_THAN_RSYNC = {
    *(
        "--no-I",
        "--no-ignore-times",
        "--no-a",
        "--no-archive",
        "--no-n",
        "--no-dry-run",
        "--no-q",
        "--no-quiet",
        "--no-b",
    ),
    *("--no-existing", "--no-ignore-non-existing", "--no-ignore-existing", "--no-size-only", "--no-stats"),
    *("--no-u", "--no-update", "--no-b", "--no-lock"),
}


@pytest.mark.needs_rsync
@pytest.mark.parametrize("name", [name for name in EVERY_NAME if name not in MORE_THAN_RSYNC and name not in OWN])
def test_rsync_has_the_same_option(name: str) -> None:
    """rsync knows it, and agrees on whether it has a value."""
    if isinstance(rows()[name], Value):
        assert b"missing" in rsync(name).err
    else:
        assert b"unknown option" not in rsync(name, "--version").err


@pytest.mark.parametrize("row", IGNORED, ids=lambda row: row.names[0])
def test_options_without_effect(parsed: list[CopyConfig], row: Any) -> None:
    for name in row.names:
        word = {"--compress-choice": "none", "--protocol": "30"}.get(row.names[0], "0")
        config = parse(parsed, name, *([word] if isinstance(row, Value) else []))
        assert config == parse(parsed)._replace(without_effect=config.without_effect)
        assert config.without_effect == (() if name.startswith("--no-") else (row.names[0],))


def test_lock_needs_no_value(parsed: list[CopyConfig]) -> None:
    """A value that may be left out is never the next argument."""
    assert parse(parsed).lock is None
    assert parse(parsed, "--lock").lock == b""
    assert parsed[-1].sources == (b"src",)
    assert parse(parsed, "--lock=a file").lock == b"a file"
    assert parse(parsed, "--lock=a file", "--no-lock").lock is None
    assert command.run_command_line(["-a", "--", "--lock", "-T=x", "dst"]) == 0
    assert (parsed[-1].lock, parsed[-1].sources) == (None, (b"--lock", b"-T=x"))


@pytest.mark.needs_rsync
@pytest.mark.parametrize(
    "option",
    ["-Bx", "-B1k", "--block-size=200k", "--block-size=0", "--max-alloc=5", "--max-alloc=x", "--max-alloc=0",
     "--max-alloc=2g", "--compress-choice=nope", "--zc=zstd", "--zl=x", "--zl=9", "--checksum-seed=x", "--port=x",
     "--protocol=x", "--iconv=.", "--iconv=utf8", "--iconv=utf8,utf8"],
)  # fmt: skip
def test_values_without_effect_are_still_values(here: bytes, option: str) -> None:
    """What rsync would not understand is refused with its exit code."""
    os.mkdir(os.path.join(here, b"src"))
    codes = [command(option, "-a", "src/", command.__name__, cwd=here).code for command in (rsync, arsync)]
    assert codes[1] == codes[0]


def test_names_are_not_converted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, parsed: list[CopyConfig]
) -> None:
    """rsync does that on one machine too: names that are not converted would be other names than those asked for."""
    assert command.run_command_line(["--iconv=utf8,latin1", "src", "dst"]) == ExitCode.UNSUPPORTED
    monkeypatch.setenv("RSYNC_ICONV", "utf8,latin1")
    assert command.run_command_line(["src", "dst"]) == ExitCode.UNSUPPORTED
    assert capsys.readouterr().err.count("byte for byte") == 2
    for option in ("--no-iconv", "--iconv=.", "--iconv=latin1,latin1"):
        parse(parsed, option)


def test_values_keep_the_order_of_the_command_line(parsed: list[CopyConfig]) -> None:
    options = ["--workers=1", "--queue-depth", "5", "--workers=2", "--queue-depth=6"]
    config = parse(parsed, *options)
    assert (config.workers, config.queue_depth) == (2, 6)


@pytest.mark.needs_rsync
def test_every_option_of_rsyncs_is_known_or_refused() -> None:
    """Whatever rsync's help and manual list is an option here, or refused by its name."""
    text = subprocess.run(["rsync", "--help"], capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*[a-zA-Z0-9]", text))
    # Not options of a run: --help's own text, and placeholders in it.
    listed -= {"--help", "--version", "--drop"}  # the last is --drop-D, cut short by the pattern
    assert len(listed) > 100
    known = set(EVERY_NAME) | set(REASONS) | {name for name in listed if name.startswith("--no-")}
    assert listed - known == set()


@pytest.mark.parametrize("option", sorted(REASONS))
def test_refused_by_name(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert command.run_command_line([option, "src", "dst"]) == ExitCode.UNSUPPORTED
    assert f"{option} is refused: " in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["host:path", "user@host:", "rsync://host/module", "host::module"])
@pytest.mark.parametrize("place", [0, 1])
def test_other_machines_are_refused(capsys: pytest.CaptureFixture[str], argument: str, place: int) -> None:
    arguments = ["here", "there"]
    arguments[place] = argument
    assert command.run_command_line(["-a", *arguments]) == ExitCode.UNSUPPORTED
    assert "is on another machine: arsync copies on this one only" in capsys.readouterr().err


def test_a_colon_behind_a_slash_is_a_name(here: bytes) -> None:
    os.mkdir(os.path.join(here, b"a:b"))
    assert arsync("-a", os.path.join(here, b"a:b"), b"./x", cwd=here).code == 0
    assert arsync("-a", b"./a:b", b"./y", cwd=here).code == 0


def test_combined_letters(parsed: list[CopyConfig]) -> None:
    config = parse(parsed, "-aHAXS")
    assert config.hard_links
    assert config.acls
    assert config.xattrs
    assert config.sparse
    assert config.owner
    assert parse(parsed, "-vvi", "-v", "-i")[:2] == config[:2]
    assert (parse(parsed, "-vvi").verbose, parse(parsed, "-vvi").itemize) == (2, 1)


def test_own_options(parsed: list[CopyConfig]) -> None:
    config = parse(parsed, "--io-engine=plain", "--workers=3", "--queue-depth=7", "--buffer-size=64K")
    assert (config.io_engine, config.workers, config.queue_depth, config.buffer_size) == (IoEngine.PLAIN, 3, 7, 65536)
    for method in CopyMethod:
        assert parse(parsed, "--copy-method", method.value).copy_method is method
    assert CopyConfig.from_values(config.values()) == config


@pytest.mark.parametrize(
    "option",
    [
        "--io-engine=fast",
        "--workers=-1",
        "--workers=x",
        "--queue-depth=0",
        "--buffer-size=1",
        "--buffer-size=1Q",
        "--files-from=",
    ],
)
def test_bad_values(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert command.run_command_line([option, "src", "dst"]) == ExitCode.SYNTAX
    assert option.split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("4K", 4096), ("4k", 4096), ("1M", 1 << 20), ("1G", 1 << 30), ("1KB", 1000)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "rule",
    ["- cache=yes", "- *.T=1", "-T=x", "--doctor", "--version", "-V", "-archive", "--json", "--help", "--lock", "--"],
)
def test_what_a_value_looks_like_makes_no_difference(
    parsed: list[CopyConfig], capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    assert parse(parsed, "-a", "--exclude", rule) == parse(parsed, "-a", f"--exclude={rule}")
    if rule.startswith("- "):
        assert parse(parsed, "-af", rule) == parse(parsed, "-a", f"--filter={rule}")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["--doctor", "--version", "-V", "-archive", "--json", "--help", "--lock", "-T=x"])
def test_behind_two_dashes_are_names(parsed: list[CopyConfig], capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert command.run_command_line(["-a", "--", name, "dst"]) == 0
    assert parsed[-1].sources == (name.encode(),)
    assert capsys.readouterr() == ("", "")


def test_an_equals_sign_behind_a_letter(parsed: list[CopyConfig]) -> None:
    assert parse(parsed, "-aT=x=y").temp_dir == b"x=y"
    assert parse(parsed, "-e=", "-T", "x").temp_dir == b"x"


def test_version_and_help() -> None:
    assert arsync("-aV", "src", "dst").out == arsync("--version").out
    assert arsync("-aVV", "src", "dst").out == arsync("-V", "-V").out
    version = arsync("--version")
    assert version.code == 0
    assert version.out.startswith(b"arsync  version ")
    helped = arsync("--help")
    assert helped.code == 0
    for row in (*FLAGS, *VALUES):
        for name in () if row.hidden else row.names:
            assert name.encode() in helped.out
    assert arsync("-h").out == helped.out


_WORDS = st.one_of(
    st.sampled_from([*EVERY_NAME, *OWN, *sorted(REASONS), "--", "-", "", "src", "dst", "a:b", "-aXn", "--no-", "---"]),
    st.from_regex(r"--?[a-z-]{0,8}=?[0-9A-Za-z]{0,4}", fullmatch=True),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6),
)


@given(st.lists(_WORDS, max_size=6))
@example(["--workers"])
@example(["-"])
def test_no_command_line_breaks_it(arguments: list[str]) -> None:
    """Whatever is typed: it is understood, or refused with one of rsync's codes; never a traceback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_copy", lambda _config, _workforce: ExitCode.OK)
        code = command.run_command_line(arguments)
    assert code in (ExitCode.OK, ExitCode.SYNTAX, ExitCode.UNSUPPORTED)
