"""The examples in docstrings, those of constants and fields too, in a directory that has a small tree, ``project/``."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arsync
import arsync.fs
from fs.backends import open_descriptors
from support.trees import PROJECT, create

MODULES = [module.name for module in pkgutil.walk_packages(arsync.__path__, "arsync.") if "__main__" not in module.name]


def examples(module: Any) -> list[doctest.DocTest]:
    """All of a module's; Python itself knows only those of modules, classes and functions."""
    found = doctest.DocTestFinder(exclude_empty=True).find(module)
    parser = doctest.DocTestParser()
    for name, line, text in documented_values(ast.parse(Path(module.__file__).read_text())):
        found.append(parser.get_doctest(text, dict(vars(module)), name, module.__file__, line))
    return [test for test in found if test.examples]


def documented_values(module: ast.Module) -> Iterator[tuple[str, int, str]]:
    """The constants and fields under which a string stands, and these."""
    for scope in ast.walk(module):
        if not isinstance(scope, ast.Module | ast.ClassDef):
            continue
        for value, text in zip(scope.body, scope.body[1:], strict=False):
            if isinstance(value, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr):
                target = value.target if isinstance(value, ast.AnnAssign) else value.targets[0]
                assert isinstance(text.value, ast.Constant)
                yield ast.unparse(target), text.lineno, text.value.value


@pytest.mark.parametrize("engine", ["auto", "plain"])
@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, engine: str, here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    if engine == "plain":
        monkeypatch.setattr(arsync.fs, "open_ring", lambda _depth: (None, "it is refused here"))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    before = open_descriptors()
    for number, test in enumerate(examples(importlib.import_module(name))):
        place = os.fsdecode(here) + f"/{number}"
        os.mkdir(place)
        create(os.fsencode(place) + b"/project", PROJECT)
        monkeypatch.chdir(place)
        runner.run(test)
    assert not runner.failures
    assert open_descriptors() == before
