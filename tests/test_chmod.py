"""--chmod's changes, each alone; beside rsync they are in tests/e2e/test_metadata_options.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arsync.chmod import compile_changes

FILE, DIRECTORY, LINK = 0o100000, 0o040000, 0o120000


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("u+w,o-r", 0o444, 0o640),
        ("755", 0o4600, 0o755),
        ("+w", 0o444, 0o644),  # nobody is named: the umask holds
        ("a+w", 0o444, 0o666),
        ("=r", 0o7777, 0o7444),
        ("u=s", 0o7777, 0o7077),
        ("u=t", 0o7777, 0o3077),
        ("o+s", 0o644, 0o4644),
        ("a=s", 0, 0o6000),
        ("g=u", 0o2640, 0o660),
        ("go-u", 0o677, 0o611),
        ("0,+X", 0o700, 0o111),  # X asks what was there before all changes
        ("D700", 0o644, 0o644),
        ("F600,D700", 0o644, 0o600),
    ],
)
def test_files(text: str, before: int, after: int) -> None:
    assert compile_changes((text,), 0o022)(FILE | before) == FILE | after


def test_directories_and_links() -> None:
    change = compile_changes(("D2775,F664",), 0o022)
    assert change(DIRECTORY | 0o700) == DIRECTORY | 0o2775
    assert change(LINK | 0o777) == LINK | 0o777
    assert compile_changes(("a-x", "+X"), 0o022)(DIRECTORY | 0o700) == DIRECTORY | 0o711


@pytest.mark.parametrize("text", ["", ",", "D", "DF644", "8", "17777", "u", "u:x", "g=ur", "g+w-r", "u+x,,g+w", "u+ x"])
def test_what_is_no_change(text: str) -> None:
    with pytest.raises(ValueError, match="chmod"):
        compile_changes((text,), 0)


@given(st.integers(0, 0o7777), st.text("rwx"), st.sampled_from("ugoa"))
def test_adding_and_taking_away(mode: int, permissions: str, who: str) -> None:
    """What + gives, - takes; and no other bit changes."""
    added = compile_changes((f"{who}+{permissions}",), 0)(FILE | mode)
    taken = compile_changes((f"{who}-{permissions}",), 0)(FILE | mode)
    assert (added & ~taken & 0o777) == compile_changes((f"{who}={permissions}",), 0)(FILE) & 0o777
    assert (added ^ mode) & 0o7000 == (taken ^ mode) & 0o7000 == 0
