"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import arsync

MODULES = [module.name for module in pkgutil.walk_packages(arsync.__path__, "arsync.") if "__main__" not in module.name]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert not failed
