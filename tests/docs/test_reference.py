"""The reference of the Python interface: every public name is there, and its docstring says what callers must know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arsync
import arsync.fs
from support.pages import REPOSITORY

griffe = pytest.importorskip("griffe", reason="griffe not installed: pip install '.[docs]'")

PAGES = {arsync: "copy.md", arsync.fs: "fs.md"}
NAMES = [(module, name) for module in PAGES for name in module.__all__ if name != "__version__"]
BY_NAME = pytest.mark.parametrize(("module", "name"), NAMES, ids=[name for _, name in NAMES])

#: Functions that only compute, and those that return what failed.
CANNOT_FAIL = {"apply_metadata", "is_unsafe", "path_of", "usable_cpus", "write_attributes"}

#: Of these the page shows some methods only, and no fields.
IN_PART = {"DirectoryFd": ["pinned"], "DirectoryTable": ["close"]}

#: Their fields are described elsewhere (options.md), or are nobody's business.
WITHOUT_FIELDS = {"CopyOptions", "Semaphore", *IN_PART}


@pytest.fixture(scope="module")
def package() -> Any:
    return griffe.load("arsync", search_paths=[REPOSITORY / "src"], docstring_parser="google")


def described(package: Any, module: Any, name: str) -> Any:
    """A name as the site shows it."""
    found = package[f"{module.__name__}.{name}".removeprefix("arsync.")]
    return found.final_target if found.is_alias else found


def sections(of: Any) -> dict[str, Any]:
    assert of.docstring is not None, f"{of.path} has no docstring"
    return {section.kind.value: section.value for section in of.docstring.parsed}


def functions(of: Any) -> Iterator[Any]:
    """A function itself, or the methods of a class that the page shows."""
    if of.is_function:
        yield of
    elif of.is_class:
        public = [each for each in of.members.values() if each.is_function and not each.name.startswith("_")]
        yield from (each for each in public if each.name in IN_PART.get(of.name, [each.name]))


@pytest.mark.parametrize("module", PAGES, ids=lambda module: module.__name__)
def test_the_page_has_every_public_name(module: Any) -> None:
    text = Path(REPOSITORY / "docs" / "reference" / PAGES[module]).read_text()
    shown = re.findall(rf"(?m)^::: {re.escape(module.__name__)}\.(\w+)$", text)
    assert sorted(shown) == sorted(name for of, name in NAMES if of is module)


@BY_NAME
def test_it_is_described_with_an_example(package: Any, module: Any, name: str) -> None:
    of = described(package, module, name)
    found = sections(of)
    assert found["text"].strip()
    examples = "".join(text for _, text in found["examples"])
    assert re.search(rf"\b{name}\b|arsync\.copy\(", examples), "the example uses it, or a copy gives it"


@BY_NAME
def test_arguments_and_errors_are_described(package: Any, module: Any, name: str) -> None:
    of = described(package, module, name)
    for function in functions(of):
        found = sections(function)
        taken = [each.name for each in function.parameters if each.name not in ("self", "cls")]
        told = [each.name.lstrip("*") for each in found.get("parameters", [])]
        text = found["text"] + sections(of)["text"]
        assert [each for each in taken if each not in told and not re.search(rf"`[^`]*\b{each}\b[^`]*`", text)] == []
        if of.is_function and name not in CANNOT_FAIL:
            assert found["raises"]
    if of.is_class:
        fields = [each for each in of.members.values() if each.is_attribute and not each.name.startswith("_")]
        assert [each.name for each in fields if each.docstring is None and name not in WITHOUT_FIELDS] == []


def test_every_operation_has_an_example(package: Any) -> None:
    operations = described(package, arsync.fs, "FileOps")
    examples = "".join(text for _, text in sections(operations)["examples"])
    assert [each.name for each in functions(operations) if f"ops.{each.name}(" not in examples] == []
