"""Completions, asked for in real shells: bash and zsh at a terminal by the Tab key, fish by its ``complete -C``."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from arsync.cli.reference.completes import Kind, completion
from arsync.cli.reference.install import WRITERS, install_tree
from arsync.cli.reference.rows import every_row, hidden, visible
from arsync.options.table import Value
from conftest import missing
from support.commands import run

#: What is typed after the command, and the arguments that the command gets after Tab and Enter.
CASES = {
    "--delete-bef": ["--delete-before"],
    "--no-pe": ["--no-perms"],
    "-a --compress-cho": ["-a", "--compress-choice="],
    "--copy-method=ref": ["--copy-method=reflink"],
    "--copy-method ref": ["--copy-method", "reflink"],
    "--stderr=e": ["--stderr=errors"],
    "--io-engine u": ["--io-engine", "uring"],
    "--info=backu": ["--info=backup"],
    "--info=name,symsa": ["--info=name,symsafe"],
    "--debug exi": ["--debug", "exit"],
    "--chown=daemo": ["--chown=daemon:"],
    "--chown=root:shado": ["--chown=root:shadow"],
    "--link-dest=m": ["--link-dest=my dir/"],
    "--backup-dir m": ["--backup-dir", "my dir/"],
    "-aT m": ["-aT", "my dir/"],
    "-a -f x": ["-a", "-f", "x"],  # a rule: nothing is known of it
    "--files-from=a": ["--files-from=a file"],
    "--exclude a": ["--exclude", "a file"],
    "a": ["a file"],
    "-a --delete a": ["-a", "--delete", "a file"],
    "--worke": ["--workers="],
    "-a -- --delete-bef": ["-a", "--", "--delete-bef"],  # a file of this name
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("completion")
    install_tree(str(top))
    (top / "here" / "my dir").mkdir(parents=True)
    (top / "here" / "a file").touch()
    return top


class Terminal:
    """A shell at a terminal."""

    def __init__(self, command: list[str], here: Path) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(here)
            os.execvpe(
                command[0], command, {"PATH": os.environ["PATH"], "PS1": "", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
            )

    def type(self, keys: str, until: str) -> str:
        """What the shell shows up to a line that ends so."""
        os.write(self.fd, keys.encode())
        shown, end = b"", time.monotonic() + 60
        while until.encode() + b"\r" not in shown:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            assert ready, f"{keys!r}: {shown!r}"
            shown += os.read(self.fd, 1 << 16)
        return shown.decode()

    def arguments_after(self, typed: str) -> list[str]:
        """What the command is called with after Tab and Enter."""
        shown = self.type(f"arsync {typed}\t\n", ">END")
        called = re.search(r"((?:<[^>]*>)*)END\r", shown)
        assert called is not None
        return re.findall("<([^>]*)>", called[1])

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)


#: A command of the same name that shows its arguments and ends with a mark that is not in what was typed.
_SHOW = """arsync() { printf '<%s>' "$@"; echo E''ND; }; echo BEG''IN\n"""


def shell(command: list[str], first: str, here: Path) -> Iterator[Terminal]:
    if reason := missing(command[0]):
        pytest.skip(reason)
    terminal = Terminal(command, here)
    terminal.type(f"{first}; {_SHOW}", "BEGIN")
    yield terminal
    terminal.close()


@pytest.fixture(scope="module")
def bash(tree: Path) -> Iterator[Terminal]:
    first = f"bind 'set enable-bracketed-paste off'; source {tree / WRITERS['bash'].path}"
    yield from shell(["bash", "--norc", "--noprofile", "-i"], first, tree / "here")


@pytest.fixture(scope="module")
def zsh(tree: Path) -> Iterator[Terminal]:
    functions = (tree / WRITERS["zsh"].path).parent
    first = f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; unset zle_bracketed_paste"
    yield from shell(["zsh", "-f", "-i"], first, tree / "here")


@pytest.mark.parametrize("typed", CASES)
def test_bash(bash: Terminal, typed: str) -> None:
    assert bash.arguments_after(typed) == CASES[typed]


@pytest.mark.parametrize("typed", CASES)
def test_zsh(zsh: Terminal, typed: str) -> None:
    """At Enter zsh takes away what it added so that typing can go on: an equals sign, a slash, a colon, a comma."""
    *before, last = CASES[typed]
    assert zsh.arguments_after(typed) in ([*before, last], [*before, last.rstrip("=/:")], [*before, last + ","])


@pytest.mark.parametrize("typed", CASES)
def test_fish(tree: Path, typed: str) -> None:
    if reason := missing("fish"):
        pytest.skip(reason)
    offered = fish(tree, f"arsync {typed}")
    last, typed_last = CASES[typed][-1], typed.rpartition(" ")[2]
    if last == typed_last:
        assert offered == []
    else:
        assert last.rstrip("=").replace(" ", "\\ ") in offered or last.rstrip("=") in offered


def fish(tree: Path, typed: str) -> list[str]:
    command = f"source {tree / WRITERS['fish'].path}; complete -C '{typed}'"
    shown = run(["fish", "--no-config", "-c", command], cwd=os.fsencode(tree / "here"))
    assert (shown.code, shown.err) == (0, b"")
    return [line.split("\t")[0] for line in shown.out.decode().splitlines()]


def test_fish_offers_what_help_shows(tree: Path) -> None:
    if reason := missing("fish"):
        pytest.skip(reason)
    names = {name for row in visible() for name in row.names if name.startswith("--")}
    assert set(fish(tree, "arsync --")) == names


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_every_option_is_known(name: str) -> None:
    text = "\n".join(WRITERS[name].lines())
    for row in every_row():
        for option in row.names:
            if name == "fish" and row in hidden() and not option.startswith("--no-") and option[:2] != "--":
                continue  # letters without an effect: who types them knows them
            spelt = f"-[ls] {re.escape(option.lstrip('-'))}" if name == "fish" else re.escape(option)
            assert re.search(rf"{spelt}(?![\w-])", text) or row in hidden(), option


def test_values_are_those_that_are_taken() -> None:
    """Each word that is offered is understood."""
    words = 0
    for row in every_row():
        if isinstance(row, Value) and (known := completion(row)).kind in (Kind.ONE, Kind.LIST):
            for word, _ in known.words:
                row.act({}, word)
                words += 1
    assert words > 40
