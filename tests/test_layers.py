"""An inner layer never imports an outer one, and some packages have one door."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import arsync

TOP = Path(arsync.__file__).parent
MODULES = sorted(path.relative_to(TOP) for path in TOP.rglob("*.py"))

#: From the inside out. A leaf (a module directly in the package, or one of a package of leaves) is innermost.
LAYERS = ["leaf", "fs", "options", "engine", "ui", "doctor", "api", "cli"]
LEAVES = {"config", "chmod", "errors", "events", "idmap", "levels", "reporting"}
LEAF_PACKAGES = {"filters"}


def layer(module: Path) -> int:
    """The layer of a module by its folder; __main__ is the command line's, and the package itself offers the API."""
    if module == Path("__init__.py"):
        return LAYERS.index("api")
    if len(module.parts) > 1:
        return 0 if module.parts[0] in LEAF_PACKAGES else LAYERS.index(module.parts[0])
    return 0 if module.stem in LEAVES else LAYERS.index("cli")


def imports(module: Path) -> Iterator[str]:
    """Every module that is imported anywhere in the file."""
    for node in ast.walk(ast.parse((TOP / module).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_layers(module: Path) -> None:
    """The engine must work for any user interface, and arsync.fs without the engine."""
    for name in imports(module):
        parts = name.split(".")
        if parts[0] == "arsync" and len(parts) > 1 and parts[1] in LAYERS:
            outer = LAYERS.index(parts[1])
            if module.parts[0] == "cli" or outer <= layer(module):
                continue
            pytest.fail(f"{module} ({LAYERS[layer(module)]}) imports {name}, which is further out")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_doors(module: Path) -> None:
    """liburing and rich are each reached through one module; click costs every start of a process that imports it."""
    found = {name.split(".")[0] for name in imports(module)}
    if module != Path("fs/binding.py"):
        assert "liburing" not in found
    if module.parts[0] != "cli":
        assert "click" not in found
    if module != Path("ui/paint.py"):
        assert "rich" not in found


@pytest.mark.parametrize("module", [m for m in MODULES if m.stem != "__main__"], ids=str)
def test_imports_alone(module: Path) -> None:
    """Each module can be the first one imported, without a warning."""
    name = ".".join(["arsync", *module.with_suffix("").parts]).removesuffix(".__init__")
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {name}"], check=True, timeout=60)


def test_the_package_is_light() -> None:
    """What imports arsync for its version, or for something else, pays for nothing that it does not use."""
    code = "import sys; before = set(sys.modules); import arsync, arsync.fs; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("arsync")}
    assert ours == {"arsync", "arsync.fs", "arsync.fs.cpus"}
    assert not {"asyncio", "subprocess", "threading", "ctypes", "click"} & set(loaded)


def test_the_api_needs_no_click() -> None:
    """A program that embeds arsync may not have it; it has no use for it."""
    code = "import sys; import arsync.api.run, arsync.api.child; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "click" not in loaded


def test_a_comparing_run_needs_no_ring() -> None:
    """Start-up time counts: neither ctypes nor liburing, nor threads, are imported with the command line."""
    code = "import arsync.cli.main, arsync.cli.command, arsync.engine.run, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ctypes", "liburing", "asyncio", "concurrent.futures", "xattr"} & set(loaded)
