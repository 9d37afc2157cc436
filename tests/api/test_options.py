"""Keyword arguments mean what the options of the command line mean."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import arsync
from arsync.api.convert import SEVERAL, config_from, keywords
from arsync.cli import command
from arsync.config import CopyConfig, CopyMethod, DeleteWhen
from arsync.errors import ExitCode
from arsync.options.table import Flag, Row, Value

#: A value of each option that has one, as a keyword and as the command line has it, where they are not "x".
VALUES: dict[str, tuple[Any, str]] = {
    "max_size": (1536, "1.5K"),
    "min_size": ("10K", "10K"),
    "modify_window": (-1, "-1"),
    "checksum_choice": ("md5", "md5"),
    "max_delete": ("10%", "10%"),
    "confine_root": (pathlib.Path("/srv"), "/srv"),
    "chmod": ("u+w", "u+w"),
    "chown": ("0:0", "0:0"),
    "usermap": ("1:2", "1:2"),
    "groupmap": ("1:2", "1:2"),
    "bwlimit": (100, "100"),
    "timeout": (5, "5"),
    "stop_after": (5, "5"),
    "stop_at": ("2099-01-01", "2099-01-01"),
    "io_engine": ("plain", "plain"),
    "workers": (3, "3"),
    "queue_depth": (3, "3"),
    "buffer_size": (65536, "64K"),
    "copy_method": (CopyMethod.READ_WRITE.value, "read-write"),
    "files_from": (b"list\xff", "list\udcff"),
}

#: Options that only mean something beside another.
WITH: dict[str, dict[str, Any]] = {"suffix": {"backup": True}, "from0": {"files_from": "list"}}

#: Each option once, under its first long name.
MAIN = {keyword: row for keyword, row in keywords().items() if keyword == row.names[0][2:].replace("-", "_")}


def from_command_line(monkeypatch: pytest.MonkeyPatch, *options: str) -> CopyConfig:
    seen: list[CopyConfig] = []

    def remember(config: CopyConfig, _workforce: Any) -> ExitCode:
        seen.append(config)
        return ExitCode.OK

    monkeypatch.setattr(command, "_copy", remember)
    assert command.run_command_line([*options, "src", "dst"]) == 0
    return seen[0]


def given(**options: Any) -> CopyConfig:
    return config_from((b"src",), b"dst", options)


@pytest.mark.parametrize(("keyword", "row"), MAIN.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_means_what_its_option_means(monkeypatch: pytest.MonkeyPatch, keyword: str, row: Row) -> None:
    value, text = VALUES.get(keyword, ("x", "x")) if isinstance(row, Value) else (True, "")
    before = {"recursive": True} | WITH.get(keyword, {})
    options = [f"--{name.replace('_', '-')}" + (f"={it}" if it is not True else "") for name, it in before.items()]
    expected = from_command_line(monkeypatch, *options, row.names[0] + (f"={text}" if text else ""))
    got = given(**before, **({} if keyword in before else {keyword: value}))
    if keyword == "stop_after":
        assert abs(got.stop_at - expected.stop_at) < 60
        got = got._replace(stop_at=expected.stop_at)
    assert got == expected


def test_the_typed_names_are_the_tables() -> None:
    """What a type checker takes is what is taken: every option of the table, under its first long name."""
    visible = {keyword for keyword, row in MAIN.items() if not row.hidden} | {"implied_dirs"}
    assert set(arsync.CopyOptions.__annotations__) == visible


@pytest.mark.parametrize("keyword", sorted(key for key, row in MAIN.items() if isinstance(row, Flag)))
def test_each_can_be_turned_off(keyword: str) -> None:
    """False is the same as not given, or turns off what is on without it."""
    expected = given(recursive=keyword != "recursive")
    off = {"super": "super_user", "whole_file": "whole_file", "implied_dirs": "implied_dirs"}.get(keyword)
    assert given(**{"recursive": True, keyword: False}) == (expected._replace(**{off: False}) if off else expected)


def test_a_value_that_may_be_left_out() -> None:
    assert given(lock=True) == given(lock="") != given(lock="file")
    assert given(lock=False) == given(lock=None) == given()


def test_options_act_in_their_order() -> None:
    assert not given(archive=True, owner=False).owner
    assert given(owner=False, archive=True).owner
    rules = given(include=["*.py", b"*.\xff"], exclude="*", filter=["P x"]).filters
    assert rules == (("include", b"*.py"), ("include", b"*.\xff"), ("exclude", b"*"), ("filter", b"P x"))


def test_several_may_be_given_where_the_command_line_takes_several() -> None:
    assert given(link_dest=[pathlib.Path("a"), b"b"]).alt_dirs == (b"a", b"b")
    for keyword in SEVERAL:
        assert isinstance(MAIN[keyword], Value)
    with pytest.raises(arsync.UsageError, match=r"backup_dir=.*is not a string"):
        given(backup_dir=["a", "b"])


@pytest.mark.parametrize("when", ["before", "during", "delay", "after"])
def test_delete(when: str) -> None:
    assert given(recursive=True, delete=when).delete is DeleteWhen(when)
    assert given(recursive=True, delete=True).delete is DeleteWhen.DURING
    assert given(recursive=True, delete=False).delete is DeleteWhen.NEVER


def test_counts_and_none() -> None:
    assert (given(xattrs=2).xattrs, given(xattrs=True).xattrs, given(xattrs=0).xattrs) == (2, 1, 0)
    assert given(max_size=None, archive=None) == given()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"archiv": True}, r"archiv: unknown option \(did you mean archive"),
        ({"no_owner": True}, "no_owner: write owner=False"),
        ({"compress": True}, "compress: it has no effect on one machine"),
        ({"a": True}, "a: write archive$"),
        ({"D": True}, "D: write devices=True, specials=True"),
        ({"F": True}, "F: write filter='dir-merge /.rsync-filter'"),
        ({"crtimes": True}, "crtimes is refused: Linux cannot"),
        ({"verbose": True}, "verbose: it is about what is printed"),
        ({"doctor": True}, "doctor"),
        ({"archive": 1}, "archive=1: is not True"),
        ({"xattrs": -1}, "xattrs=-1: is less than nought"),
        ({"max_size": True}, "max_size=True: is not a string"),
        ({"max_size": "12q"}, "max_size='12q': '12q' is not a size"),
        ({"exclude": [["x"]]}, "exclude=.*is not a string"),
        ({"exclude": "a\0b"}, "holds a NUL byte"),
        ({"delete": "never"}, "it is not True, or one of before"),
        ({"delete": True}, "does not work without --recursive"),
        ({"files_from": "-"}, "is the standard input"),
        ({"copy_method": "magic"}, "is not one of auto"),
    ],
)
def test_what_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    with pytest.raises(arsync.UsageError, match=message):
        given(**options)


@pytest.mark.parametrize(
    ("src", "dst", "message"),
    [
        ("host:src", "dst", "is on another machine"),
        ("", "dst", "an argument is empty"),
        ("a\0b", "dst", "holds a NUL"),
        (["a", 5], "dst", "a path is a string"),
        ("a", None, "a path is a string"),
        (5, "dst", "a path is a string"),
        ([], "dst", "no source is named"),
    ],
)
def test_paths_that_cannot_be_meant(src: Any, dst: Any, message: str) -> None:
    with pytest.raises(arsync.UsageError, match=message):
        arsync.copy(src, dst)
