"""The single file that needs only Python: ``python .ci/packages/archive.py [--output FILE] [--python PYTHON]...``.

A zip that Python runs as it is: nothing is ever unpacked, so there is no cache in which somebody could put something.
Importing sources from a zip compiles them each time, which takes longer than most runs. So the archive also has
bytecode for each Python that is found when it is made; any other still runs it from the sources.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from tree import TOP, epoch, install

#: Looked for on PATH beside the Python that makes the archive.
PYTHONS = ["python3.10", "python3.11", "python3.12", "python3.13", "python3.14"]

#: Its syntax is that of any Python 3, so that an old one says what it lacks. In a zip sys.path[0] is the zip.
_MAIN = """import sys

if sys.version_info < (3, 10):
    sys.exit("arsync: this is Python %d.%d, and 3.10 or newer is needed" % sys.version_info[:2])
sys.path.insert(0, "%s/%s" % (sys.path[0], sys.implementation.cache_tag))

from arsync.cli.main import main

main()
"""

#: Run by each Python: bytecode of a tree beside it, in a directory with the name of that Python's bytecode, and checked
#: against nothing when it is imported: the sources in the archive do not change.
_COMPILE = """
import os, py_compile, sys
source, target = sys.argv[1], os.path.join(sys.argv[2], sys.implementation.cache_tag)
for directory, _, names in os.walk(source):
    for name in sorted(names):
        if name.endswith(".py"):
            inside = os.path.relpath(os.path.join(directory, name), source)
            py_compile.compile(
                os.path.join(source, inside), os.path.join(target, inside + "c"), inside, doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
print(sys.implementation.cache_tag)
"""


def build(output: Path, pythons: list[str]) -> list[str]:
    """Make the archive; returns the names of the bytecodes that it has."""
    with tempfile.TemporaryDirectory() as scratch:
        sources, everything = Path(scratch, "sources"), Path(scratch, "everything")
        install(sources)
        shutil.copytree(sources, everything)
        tags = [_compile(python, sources, everything) for python in pythons]
        (everything / "__main__.py").write_text(_MAIN)
        output.parent.mkdir(parents=True, exist_ok=True)
        with output.open("wb") as file:
            file.write(b"#!/usr/bin/env python3\n")
            _write(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9), everything)
        output.chmod(0o755)
    return sorted(set(tags))


def _compile(python: str, sources: Path, target: Path) -> str:
    # Sets among the constants are written in the order of their hashes, which is another in each run unless told.
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"}
    command = [python, "-s", "-c", _COMPILE, str(sources), str(target)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=target)
    return done.stdout.strip()


def _write(archive: zipfile.ZipFile, top: Path) -> None:
    """All files in the order of their names, with one time and mode: the same sources make the same archive."""
    moment = time.gmtime(epoch())[:6]
    with archive:
        for path in sorted(path for path in top.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(top)), moment)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _found() -> list[str]:
    """The Pythons that are on PATH and can be run: not a version manager's stand-ins, which need its variables."""
    ask = ["-I", "-c", "import sys; print(sys.executable); sys.exit(sys.version_info < (3, 10))"]
    on_path = [path for name in PYTHONS if (path := shutil.which(name))]
    asked = [subprocess.run([path, *ask], capture_output=True, text=True, check=False) for path in on_path]
    return [sys.executable] + [told.stdout.strip() for told in asked if told.returncode == 0]


def main() -> None:
    """Make it and say what it has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TOP / "dist/arsync.pyz", metavar="FILE")
    parser.add_argument("--python", action="append", help="one that it has bytecode for (default: all on PATH)")
    given = parser.parse_args()
    tags = build(given.output, given.python or _found())
    print(f"{given.output}: {given.output.stat().st_size >> 10} KiB, bytecode for {', '.join(tags)}")


if __name__ == "__main__":
    main()
