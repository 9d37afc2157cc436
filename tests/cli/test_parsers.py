"""Whatever people, files or other programs write: it is understood or refused, and neither breaks nor takes for ever.

tests/fuzz_parsers.py looks for such input by what it reaches, for as long as one lets it.
"""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arsync.cli.options import rows
from arsync.filters.matcher import Line, build
from arsync.filters.pattern import Pattern
from support.commands import arsync
from support.parsers import PARSERS
from support.trees import Dir, File, create

#: What each parser's language is made of; between these, anything.
WORDS: dict[str, str] = {
    "command_line": "\0 - -- = , : src dst a:b 1K 0 -1 % help none all * ' " + " ".join(sorted(rows())),
    "filter_rules": "- + . : H S P R ! , _ / \n \r\0 ; # merge dir-merge exclude include hide show protect risk "
    "clear C n e w s r p x file *.o ** *** [a-z] [! [[:alpha:]] \\",
    "pattern": "\0 * ** *** ? / [ ] [! [^ - [:digit:] [: :] \\ a b ab .",
    "files_from": "\n \r \0 / . .. ./ ../ /./ # ; a b",
    "chmod": "u g o a + - = r w x X s t D F , 7 755 02775",
    "usermap": "0 - : , * ? [ ] [^ root nobody 4294967294 4294967295 99999999999 \u0663 \u00b2",
    "sizes": "0 1 9 . k K m G t P b B ib iB + - +1 -1 \u0663 e inf nan " + "9" * 400,
    "times": "0 1 12 31 99 2030 - / T : \u0663 " + "9" * 30,
    "out_format": "% ' - 0 9 20 \0 \n \x1b \x7f \xff "
    + "9" * 5000
    + " "
    + " ".join("%" + letter for letter in "bBcCfGilLMnoptU%Z"),
    "stored_status": "0 7 100644 20644 170000 , : 1 4294967295 4294967296 2147483648 \0 " + "9" * 5000,
    "stored_acl": "\2\0\0\0 \1\0\7\0\xff\xff\xff\xff \2\0\4\0\xd2\4\0\0 \0",
}


def _inputs(name: str) -> st.SearchStrategy[bytes]:
    words = [word.encode("latin-1" if max(word) < "\u0100" else "utf-8") for word in WORDS[name].split(" ")]
    pieces = st.one_of(st.sampled_from([*words, b" "]), st.binary(max_size=3))
    return st.lists(pieces, max_size=12).map(b"".join)


@pytest.mark.parametrize("name", PARSERS)
def test_anything(name: str) -> None:
    @settings(max_examples=150)
    @given(_inputs(name))
    def parse(data: bytes) -> None:
        PARSERS[name](data)

    parse()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("sizes", b"9" * 400 + b"K"),  # no float holds it
        ("pattern", b"*a*a*a*a*a*a*a*b\0" + b"a" * 255),  # tried in every way, it took longer than anybody waits
        ("pattern", b"*?*?*?*?*?*?[b]*\0" + b"a" * 255),
        ("out_format", b"%" + b"9" * 5000 + b"n"),  # more digits than Python reads
        ("stored_status", b"100644 4294967295,0 0:0"),  # no C int
        ("stored_status", b"100644 0,0 " + b"9" * 5000 + b":0"),
        ("stored_status", b"170000 0,0 0:0"),  # no kind of entry
        ("stored_acl", b"\2\0\0\0\1"),
    ],
)
def test_what_broke_it(name: str, data: bytes) -> None:
    PARSERS[name](data)


@given(
    st.lists(st.sampled_from([b"*", b"?", b"a", b"b", b"[ab]", b"[!a]"]), max_size=12).map(b"".join),
    st.text("ab", min_size=1, max_size=14).map(str.encode),
)
@example(b"*a*b*?*b", b"abab")
def test_many_stars_mean_what_few_do(text: bytes, name: bytes) -> None:
    """Against the plainest of regular expressions."""
    plain = text.replace(b"*", b".*").replace(b"?", b".").replace(b"[!", b"[^")
    expected = re.fullmatch(plain, name) is not None
    matcher = build([Line(True, False, Pattern(text).remains(0, False))])
    assert (matcher is not None and matcher.excludes(name)) == expected


def test_times_that_no_calendar_has(here: bytes) -> None:
    """A file system may hold them; they are copied and shown."""
    src = os.path.join(here, b"src")
    create(src, Dir({b"f": File(b"f")}))
    late = 1 << 60
    try:
        os.utime(os.path.join(src, b"f"), (late, late))
    except (OSError, OverflowError):
        pytest.skip("this file system has no such times")
    if os.stat(os.path.join(src, b"f")).st_mtime_ns // 10**9 != late:
        pytest.skip("this file system has no such times")
    for option in ("--list-only", "--out-format=%M %n"):
        done = arsync("-a", option, src + b"/", os.path.join(here, b"dst"))
        assert (done.code, done.err) == (0, b"")
        assert b"@%d" % late in done.out
    assert os.stat(os.path.join(here, b"dst/f")).st_mtime_ns // 10**9 == late
