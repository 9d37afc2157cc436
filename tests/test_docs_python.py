"""The pages about Python: their examples run, and every public name is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import arsync
import arsync.fs
from fs.backends import open_descriptors
from support.pages import program
from support.trees import PROJECT, create

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["../README.md", "python.md", "json.md", "fs.md", "fs.md without io_uring"])
def test_examples(page: str, here: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one program, in their order, as somebody would who reads the page."""
    page, _, without = page.partition(" ")
    if without:
        monkeypatch.setattr(arsync.fs, "open_ring", lambda _depth: (None, "it is refused here"))
    monkeypatch.setenv("PATH", f"{program(tmp_path)}:{os.environ['PATH']}")
    create(here + b"/project", PROJECT)
    os.mkdir(here + b"/snapshots")
    monkeypatch.chdir(os.fsdecode(here))
    before = open_descriptors()
    names: dict[str, Any] = {"__name__": "__main__"}
    assert blocks(page)
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    assert open_descriptors() == before


def test_public_names_are_pinned() -> None:
    """Programs rely on these; one more is an addition, one less breaks somebody."""
    assert sorted(arsync.__all__) == [
        *("CopyOptions", "CopyResult", "Counts", "ExitCode", "FatalError", "FileError", "IncompleteError", "Item"),
        *("Progress", "UsageError", "__version__", "acopy", "copy"),
    ]
    assert sorted(arsync.fs.__all__) == [
        *("ACL_ACCESS", "ACL_DEFAULT", "AT_EMPTY_PATH", "AT_FDCWD", "AT_REMOVEDIR", "AT_SYMLINK_FOLLOW"),
        *("AttributeSet", "Buffer", "Change", "CopyMethod", "DirectoryFd", "DirectoryTable", "FALLOC_FL_KEEP_SIZE"),
        *("FALLOC_FL_PUNCH_HOLE", "FileOps", "Files", "RESOLVE_BENEATH", "RESOLVE_NO_MAGICLINKS"),
        *(
            "RESOLVE_NO_SYMLINKS",
            "RESOLVE_NO_XDEV",
            "ReadError",
            "Semaphore",
            "StatResult",
            "StoppedError",
            "WriteError",
        ),
        *("apply_metadata", "copy_data", "default_perms", "exchange", "give_name", "is_unsafe", "list_names"),
        *("mknodat", "open_fileops", "open_unnamed", "path_of", "read_attributes", "readlinkat", "replace_file"),
        *("same_content", "usable_cpus", "write_attributes"),
    ]


@pytest.mark.parametrize("module", [arsync, arsync.fs], ids=["arsync", "arsync.fs"])
def test_every_public_name_is_there(module: Any) -> None:
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = module.nonsense


def test_a_typed_program(tmp_path: Path) -> None:
    """mypy --strict takes a program that uses the API as it is meant, and finds what is not."""
    pytest.importorskip("mypy")
    program = Path(__file__).parent / "api" / "typed_program.py"
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Success" in done.stdout
