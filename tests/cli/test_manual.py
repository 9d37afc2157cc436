"""``man arsync``: read by the programs that people read it with."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from arsync.cli.reference.exits import MEANING
from arsync.cli.reference.install import WRITERS, install_tree
from arsync.cli.reference.more import MORE
from arsync.cli.reference.roff import inline, literal
from arsync.cli.reference.rows import every_row, visible
from arsync.errors import ExitCode
from conftest import missing
from support.commands import run


@pytest.fixture
def page(tmp_path: Path) -> str:
    install_tree(str(tmp_path))
    return str(tmp_path / WRITERS["man"].path)


def needs(tool: str) -> None:
    if reason := missing(tool):
        pytest.skip(reason)


@pytest.mark.parametrize(
    "command", [("mandoc", "-Tlint"), ("groff", "-man", "-Tutf8", "-ww", "-z")], ids=lambda c: c[0]
)
def test_nothing_is_wrong_with_it(command: tuple[str, ...], page: str) -> None:
    needs(command[0])
    checked = run([*command, page])
    assert (checked.code, checked.out, checked.err) == (0, b"", b"")


def test_man_shows_it(page: str) -> None:
    """Without a warning, and with every option, heading and exit code."""
    needs("man")
    needs("groff")
    shown = run(["man", "--warnings", "-l", page])
    assert (shown.code, shown.err) == (0, b"")
    text = re.sub(r".\x08", "", shown.out.decode())
    headings = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "FILTER RULES", "EXIT STATUS", "ENVIRONMENT", "FILES")
    headings += ("EXAMPLES", "SEE ALSO")
    assert not [heading for heading in headings if not re.search(rf"(?m)^{heading}", text)]
    assert not [
        name for row in visible() for name in row.names if not re.search(rf"(?m)^ +.*(?<!\S){name}(?![\w-])", text)
    ]
    codes = {int(code) for code in re.findall(r"(?m)^ {7}(\d+) ", text.partition("EXIT STATUS")[2])}
    assert codes == {code.value for code in MEANING} >= {ExitCode.OK, ExitCode.PARTIAL, ExitCode.TIMEOUT}


def test_what_is_said_of_an_option_is_of_one() -> None:
    """An option that is called otherwise one day takes its description along."""
    assert set(MORE) <= {row.names[0] for row in every_row()}


def test_marked_text() -> None:
    assert literal(r"'a-b'~\^`") == r"\(aqa\-b\(aq\(ti\e\(ha\(ga"
    assert inline("say `--no-x`, a well-known *WORD* - or -x") == (
        r"say \fB\-\-no\-x\fR, a well-known \fIWORD\fR \- or \-x"
    )


def test_the_tree_needs_python_alone(tmp_path: Path) -> None:
    """A package is built where neither click nor the binding is installed, whatever the umask is."""
    source = Path(__file__).parents[2] / "src"
    command = ["python3", "-S", "-m", "arsync.cli.reference", "--install-tree", str(tmp_path / "usr")]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source), "SOURCE_DATE_EPOCH": "86400"}
    done = subprocess.run(command, env=environment, umask=0o077, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(tmp_path / "usr" / writer.path) for writer in WRITERS.values()]
    made = sorted((tmp_path / "usr").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in made} == {0o644, 0o755}
    page = (tmp_path / "usr" / WRITERS["man"].path).read_text()
    assert ".TH ARSYNC 1 1970-01-02 " in page
    for name, writer in WRITERS.items():
        printed = subprocess.run(
            [*command[:4], f"--{name}"], env=environment, capture_output=True, text=True, check=True
        )
        assert printed.stdout == (tmp_path / "usr" / writer.path).read_text()
