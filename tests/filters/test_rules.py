"""Parsing: which rules are refused as rsync refuses them, and fixed cases of what rules mean."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from arsync.errors import UsageError
from arsync.filters import Filters, Scope, Side, top
from arsync.filters.cvs import PATTERNS
from arsync.filters.pattern import Pattern, Token, _tokens
from arsync.filters.place import left_alone
from filters.walks import Options, argv
from support.commands import rsync


def scope(options: Options, side: Side = Side.SENDER, files: dict[bytes, bytes] | None = None, **how: object) -> Scope:
    """The top scope for rules that read these files."""
    read: Callable[[bytes], bytes | None] = (files or {}).get
    found = top(Filters.parse(options, read=read, **how), side, b"/top", read)  # type: ignore[arg-type]
    assert found is not None
    return found


RULES = [
    b"", b"-", b"- ", b"exclude", b"exclude ", b"foo", b"- foo", b"-foo", b"-_foo", b"-,foo", b"-,s foo", b"-s,r foo",
    b"-sr foo", b"-/!srpx foo", b"-C", b"-C foo", b"+C", b"-n foo", b"-e foo", b"-w foo", b"--foo", b"H foo",
    b"Hs foo", b"H,p foo", b"hide,p foo", b"hidep foo", b"exclude,s foo", b"excludes foo", b"exclude, foo", b"R! foo",
    b"!", b"! ", b"! foo", b"!x", b"clear", b"clear ", b"clear,", b"!,", b"!,s", b"clear,s", b". none", b"merge none",
    b".none", b".n file", b".- file", b".+ file", b".-+ file", b".w file", b".! file", b".-! file", b".C", b".C file",
    b".sC file", b".", b": ", b":", b":C", b":C foo", b":n- .r", b":-n .r", b":nwe- .r", b":! .r", b":x- .r",
    b": /.r", b"dir-merge,- .r", b"dir-merge", b"dir-merge,C", b"per-dir .r", b"#foo", b" - foo", b"- \tfoo",
    b"-\tfoo", b"exclude\tfoo", b"HC", b"PC", b"excludeC", b"exclude,C", b"merge,C", b"merge,", b"+- foo", b":+- .r",
    b":C- .r", b":+C .r", b":wC", b"clear!", b".s sided", b".s hides", b". sided", b".w words", b". comments",
    b". spaced", b". unended", b".p merges", b"P,r a",
]  # fmt: skip
FILES = {
    b"file": b"- x\n", b"sided": b"- a\n-s b\n", b"hides": b"H c\n", b"words": b"- a - b\n", b"unended": b"- a\n- ",
    b"comments": b"# a\n;b\n\n\r\n- a\r\n", b"spaced": b" # a\n", b"merges": b": .q\n:C\n-C\n. file\n",
}  # fmt: skip


def code(options: Options) -> int:
    """The exit code of a command line with these rules."""
    try:
        Filters.parse(options)
    except UsageError as error:
        return int(error.code)
    return 0


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with merge files, in which the process stands."""
    for name, content in FILES.items():
        (tmp_path / os.fsdecode(name)).write_bytes(content)
    (tmp_path / "src").mkdir()
    (tmp_path / "dst").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.needs_rsync
@pytest.mark.parametrize("rule", RULES)
def test_refused_as_rsync_does(there: Path, rule: bytes) -> None:
    options = [("filter", rule)]
    assert code(options) == rsync("-rn", *argv(options), "src/", "dst").code


@pytest.mark.needs_rsync
@pytest.mark.parametrize(
    "pattern", [b"", b"-", b"- ", b"+ ", b"- a", b"-_a", b"!", b"! ", b"clear", b"H a", b": a", b"/"]
)
def test_patterns_refused_as_rsync_does(there: Path, pattern: bytes) -> None:
    Path("rules").write_bytes(pattern)
    for options in ([("exclude", pattern)], [("include", pattern)], [("exclude-from", b"rules")]):
        assert code(options) == rsync("-rn", *argv(options), "src/", "dst").code, options


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (b"foo", "unknown filter rule (write - PATTERN, + PATTERN, or see FILTER RULES in man rsync): --filter=foo"),
        (b"-q foo", "invalid modifier 'q' in filter rule: --filter=-q foo"),
        (b". unended", "unexpected end of filter rule: line 2 of unended"),
        (b". none", "failed to open filter file none: No such file or directory"),
        (b".s sided", "a merge file whose rule says a side contains a rule that says one, too: line 2 of sided"),
    ],
)
def test_messages_say_where(there: Path, rule: bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Filters.parse([("filter", rule)])
    assert str(caught.value) == said


def test_no_rules_are_false() -> None:
    assert not Filters.parse([])
    assert not Filters.parse([("exclude", b"a"), ("filter", b"!")])
    assert top(Filters.parse([("filter", b"P a")]), Side.SENDER, b"/", lambda path: None) is None


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        (b"a", b"d/a", True), (b"/a", b"d/a", False), (b"/d/a", b"d/a", True), (b"d/a", b"x/d/a", True),
        (b"*", b".a", True), (b"a?q", b"a/q", False), (b"a**q", b"a/b/q", True), (b"/**/q", b"q", False),
        (b"**/q", b"q", True), (b"a[/]q", b"a/q", False), (b"a[!x]q", b"a/q", False), (b"a//", b"a", False),
        (b"a\\b", b"a\\b", True), (b"a\\b*", b"a\\b", False), (b"a\\\\b*", b"a\\bc", True), (b"\\**", b"*x", True),
        (b"a*\\", b"a\\", False), (b"[q-o]", b"q", True), (b"[q-o]", b"p", False), (b"[]q]", b"]", True),
        (b"[q-]", b"-", True), (b"[[:alpha:]]", b"q", True), (b"[[:bogus:]]", b"q", False), (b"[q", b"[q", False),
        (b"[\\]]", b"]", True), (b"[^[:digit:]a]", b"1", False), (b"[^[:digit:]a]", b"\xff", True),
        (b"a/**", b"a/b/c", True), (b"a/**", b"x/a/b", True), (b"a/***", b"a", False), (b".", b"a", False),
        (b"n\nl*", b"n\nlx", True), (b"*.o", b"a.o\n", False), (b"", b"a", False),
    ],
)  # fmt: skip
def test_patterns(pattern: bytes, path: bytes, matches: bool) -> None:
    here = scope([("exclude", pattern), ("exclude", b"never")])
    *directories, name = path.split(b"/")
    for directory in directories:
        here = here.enter(directory, lambda name: None)
    assert here.excludes(name, False) is matches
    assert here.kept([name], False) == ([] if matches else [name])


def test_directories_only() -> None:
    here = scope([("exclude", b"a/"), ("exclude", b"b/***")])
    assert [here.excludes(name, True) for name in (b"a", b"b")] == [True, True]
    assert [here.excludes(name, False) for name in (b"a", b"b")] == [False, False]
    assert here.enter(b"b", lambda name: None).excludes(b"x", False)


def test_the_same_scope_where_nothing_changes() -> None:
    here = scope([("exclude", b"*.o"), ("exclude", b"/a/b"), ("exclude", b"x/**/y")])
    below = here.enter(b"q", lambda name: None)
    assert below.enter(b"r", lambda name: None) is below


def test_sides_and_perishable() -> None:
    rules: Options = [("filter", rule) for rule in (b"H h", b"P p", b"-p perish", b"- both", b"-sr said")]
    for delete_excluded in (False, True):
        sender = scope(rules, delete_excluded=delete_excluded)
        receiver = scope(rules, Side.RECEIVER, delete_excluded=delete_excluded)
        names = [b"h", b"p", b"perish", b"both", b"said"]
        assert sender.kept(names, False) == [b"p"]
        kept = [b"h"] + ([b"perish", b"both"] if delete_excluded else [])
        assert receiver.kept(names, False) == kept
        assert receiver.kept(names, False, doomed=True) == sorted({*kept, b"perish"}, key=names.index)


def test_a_merge_file_that_excludes_itself() -> None:
    """On the command line it is at risk with --delete-excluded; a file in the tree protects it."""
    said = scope([("filter", b":e .n")], Side.RECEIVER, delete_excluded=True)
    assert not said.enter(b"", lambda name: None).excludes(b".n", False)
    found = scope([("filter", b": .r")], Side.RECEIVER, delete_excluded=True).enter(b"", {b".r": b":e .n"}.get)
    assert found.excludes(b".n", False)
    assert scope([("filter", b":e .n")]).excludes(b".n", False)


def test_wildcards_in_the_name_of_a_merge_files_directory() -> None:
    """They stand for themselves; rsync makes them part of the pattern."""
    here = scope([("filter", b": .r")]).enter(b"[a", {b".r": b"- /b"}.get)
    assert here.excludes(b"b", False)


def test_cvs_rules_come_last_and_only_once() -> None:
    files = {b"/h/.cvsignore": b"mine\nforgotten"}
    here = scope([("cvs-exclude", b""), ("include", b"core")], files=files, home=b"/h", cvsignore=b"env x.*")
    names = [b"core", b"a.o", b"mine", b"env", b"x.y", b"z"]
    assert here.kept(names, False) == [b"core", b"z"]
    assert scope([("filter", b"-C")], cvsignore=b"! env").kept(names, False) == [b"core", b"a.o", b"mine", b"x.y", b"z"]
    assert len(PATTERNS) == 36
    receiver = scope([("cvs-exclude", b"")], Side.RECEIVER, cvsignore=b"env")
    assert receiver.kept([b"a.o", b"env"], False, doomed=True) == [b"a.o"]
    below = here.enter(b"", {b".cvsignore": b"z"}.get)
    assert below.kept(names, False) == [b"core"]
    assert below.enter(b"sub", lambda name: None).kept(names, False) == [b"core", b"z"]


def test_zero_bytes_separate_rules() -> None:
    """In files that an option names behind --from0, and in all files of the tree."""
    rules = b"- a\nb\0#c\0\0- d"
    names = [b"a\nb", b"a", b"d"]
    files = {b"rules": rules}
    assert scope([("exclude-from0", b"rules")], files=files).kept(names, False) == [b"a"]
    assert scope([("filter0", b". rules")], files=files).kept(names, False) == [b"a"]
    assert scope([("exclude-from", b"rules")], files=files, from0=True).kept(names, False) == [b"a\nb", b"d"]
    below = scope([("filter", b": .r")], from0=True).enter(b"", {b".r": rules}.get)
    assert below.kept(names, False) == [b"a"]


def test_merge_files_in_directories() -> None:
    here = scope([("F", b""), ("F", b"")], files={b"/.rsync-filter": b"- /top/t\n- up"})
    assert not here.excludes(b"t", False)
    inside = here.enter(b"", {b".rsync-filter": b"- /own\n- down/own"}.get)
    assert inside.kept([b"t", b"up", b"own", b".rsync-filter", b"x"], False) == [b"x"]
    below = inside.enter(b"down", lambda name: None)
    assert below.kept([b"t", b"up", b"own", b"x"], False) == [b"t", b"x"]
    cleared = inside.enter(b"a", {b".rsync-filter": b"!\n- x"}.get)
    assert cleared.kept([b"up", b"own", b"x", b".rsync-filter"], False) == [b"up", b"own"]


def test_what_reading_raises_comes_through() -> None:
    def refuse(name: bytes) -> bytes | None:
        raise PermissionError(13, "Permission denied", name)

    with pytest.raises(PermissionError):
        scope([("filter", b": .r")]).enter(b"a", refuse)
    with pytest.raises(UsageError, match=r"line 1 of /top/a/\.r"):
        scope([("filter", b": .r")]).enter(b"a", {b".r": b"nonsense"}.get)


def test_merge_files_that_name_each_other_end() -> None:
    with pytest.raises(UsageError, match="deep"):
        Filters.parse([("filter", b". loop")], read={b"loop": b". loop"}.get)


def test_extended_attributes() -> None:
    here = scope([("filter", b"+x user.a"), ("filter", b"-x *"), ("exclude", b"user.a")])
    excludes = left_alone((here.attribute_rules,))
    assert excludes is not None
    assert [excludes(name) for name in (b"user.a", b"user.b")] == [False, True]
    assert here.kept([b"user.a", b"user.b"], False) == [b"user.b"]
    assert not scope([("exclude", b"a")]).attribute_rules
    for rule, left in (
        (b"-x u*.[ab]", b"user.a"),
        (b"-!x user.k", b"user.a"),
        (b"-x /user.k", None),
        (b"+x *", None),
    ):
        excludes = left_alone((scope([("filter", rule), ("exclude", b"b")]).attribute_rules,))
        assert [name for name in (b"user.a", b"user.k") if excludes and excludes(name)] == ([left] if left else [])


def test_extended_attributes_in_merge_files() -> None:
    """The rules of the nearest directory first, then those above it, then the command line's."""
    here = scope([("filter", b": .r"), ("filter", b"-x user.z")])
    below = here.enter(b"a", {b".r": b"-x user.a\n- b\n"}.get).enter(b"c", {b".r": b"+x user.a\n-x user.c"}.get)
    assert below.attribute_rules == (b"+x user.a", b"-x user.c", b"-x user.a", b"-x user.z")
    assert here.attribute_rules == (b"-x user.z",)


def _matches(tokens: tuple[Token, ...], name: bytes) -> bool:
    """Whether tokens take a name, tried byte by byte at all positions at once."""
    live = {0}
    for byte in (*name, -1):
        for position in sorted(live):
            while position < len(tokens) and tokens[position].repeats:
                position += 1
                live.add(position)
        if byte >= 0:
            taking = [position for position in live if position < len(tokens) and byte in tokens[position].accepts]
            live = {position if tokens[position].repeats else position + 1 for position in taking}
    return len(tokens) in live


def test_regular_expressions_of_patterns() -> None:
    """They match what the tokens take, whatever stands between how many stars."""
    chosen = random.Random(1)
    compared = 0
    for _ in range(5_000):
        text = b"".join(chosen.choices([b"a", b"b", b"c", b"?", b"[ab]", b"[!a]", b"*", b"*"], k=chosen.randint(1, 9)))
        name = bytes(chosen.choices(b"abc", k=chosen.randint(0, 9)))
        for remains in Pattern(text).remains(0, False):
            if remains.regex is not None:
                found = re.match(remains.regex + rb"\Z", name, re.DOTALL) is not None
                assert found == _matches(_tokens(text), name), (text, name)
                compared += 1
    assert compared > 2_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", [b"*a" * 60 + b"*b", b"a*" * 60 + b"b", b"*?" * 60 + b"b", b"*[ab]a" * 30 + b"c"])
def test_patterns_that_try_everything(pattern: bytes) -> None:
    """A pattern of somebody's merge file does not hold up a run."""
    names = [b"a" * length for length in range(200, 256)]
    assert scope([("exclude", pattern)]).kept(names, False) == names

    assert not scope([("exclude", b"a")]).attribute_rules
    for rule, left in (
        (b"-x u*.[ab]", b"user.a"),
        (b"-!x user.k", b"user.a"),
        (b"-x /user.k", None),
        (b"+x *", None),
    ):
        excludes = left_alone((scope([("filter", rule), ("exclude", b"b")]).attribute_rules,))
        assert [name for name in (b"user.a", b"user.k") if excludes and excludes(name)] == ([left] if left else [])
