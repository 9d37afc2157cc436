"""The README's picture shows what the program does today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

TOP = Path(__file__).resolve().parents[2]
SCRIPT = TOP / "docs/pictures/terminal.py"


def _script() -> object:
    spec = importlib.util.spec_from_file_location("terminal", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _text(svg: str) -> str:
    """All of a picture's text but its title, without spaces, which lines are broken at."""
    lines = ElementTree.fromstring(svg).iterfind(".//{*}g[@class='arsync-matrix']//{*}text")
    return re.sub(r"\s", "", "".join(line.text or "" for line in lines))


def test_picture() -> None:
    """Its commands are run again; `poe picture` makes it again where it is another."""
    script = _script()
    steps = script.record()  # type: ignore[attr-defined]
    wanted = "".join(f"${step.command}{step.output}" for step in steps)
    assert _text(script.PICTURE.read_text()) == re.sub(r"\s", "", wanted)  # type: ignore[attr-defined]
    assert not re.search(r"\x1b|bash:|not found", wanted)


def test_it_is_drawn_from_what_was_printed() -> None:
    """Also that it fetches nothing from elsewhere, which sites that show it would not let it."""
    pytest.importorskip("rich")
    script = _script()
    svg = script.draw([script.Step("echo hello  # a comment", "hello\n\x1b[31mred\x1b[0m\n")])  # type: ignore[attr-defined]
    assert _text(svg) == "$echohello#acommenthellored"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", svg)
