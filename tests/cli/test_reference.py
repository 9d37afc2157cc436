"""docs/options.md is the program's own table, and nobody has to remember to write it anew."""

from __future__ import annotations

import re
from pathlib import Path

from arsync.cli.reference import page
from arsync.options import rows
from support.commands import arsync

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def test_is_up_to_date() -> None:
    assert PAGE.read_text() == "\n".join(page()) + "\n", "run: python -m arsync.cli.reference > docs/options.md"


def test_has_every_option() -> None:
    """Everything in --help, and everything that is accepted without effect."""
    text = PAGE.read_text()
    listed = set(re.findall(r"(?m)^  (?:-\S, )?(--?[\w-]+)", arsync("--help").out.decode()))
    assert len(listed) > 100
    expected = listed - {"--no-OPTION"} | {name for name, row in rows().items() if not row.hidden}
    assert {name for name in expected if not re.search(rf"`{re.escape(name)}[`=[]", text)} == set()
