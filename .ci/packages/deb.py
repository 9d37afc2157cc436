"""The Debian package, for Debian 12, Ubuntu 22.04 and newer: ``python .ci/packages/deb.py [--output FILE]``.

Needs dpkg-deb. click and rich are in the package, in a directory of their own: what these distributions have of them is
of several versions, and Debian's module called xattr shows that a name does not say what it is.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import tempfile
from pathlib import Path

from tree import TOP, epoch, settle, system_tree, version

#: liburing before 2.4 has not what arsync calls; without any, plain system calls do the same work. Without xxhash
#: --verify takes a slower hash.
_CONTROL = """Package: arsync
Version: {version}
Section: utils
Priority: optional
Architecture: all
Depends: python3 (>= 3.10)
Recommends: liburing2 (>= 2.4), python3-xxhash
Suggests: rsync
Installed-Size: {size}
Maintainer: The arsync authors
Description: copy file trees on one machine as rsync does, on every CPU
 arsync takes rsync's options and copies between local directories, with many
 files in flight at once: by worker processes on every CPU, and by io_uring
 where that pays. A file is complete, with all its metadata, before it gets
 its name; a second run finds nothing to do.
"""

#: What stands below arsync's own license.
_OTHERS = """
The libraries in /usr/lib/arsync beside arsync have licenses of their own:
/usr/lib/arsync/*.dist-info/licenses has them (click: BSD-3-Clause, rich: MIT).
"""

#: Bytecode is made for the Python that is there, and removed with the package, by the system's own tools.
_SCRIPTS = {
    "postinst": """#!/bin/sh
set -e
if [ "$1" = configure ] && command -v py3compile >/dev/null; then
    py3compile -p arsync /usr/lib/arsync
fi
""",
    "prerm": """#!/bin/sh
set -e
if command -v py3clean >/dev/null; then
    py3clean -p arsync /usr/lib/arsync
fi
""",
}


def build(output: Path) -> None:
    """Make the package."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "arsync")
        root.mkdir()
        system_tree(root)
        zsh = root / "usr/share/zsh"
        (zsh / "site-functions").rename(zsh / "vendor-completions")  # Debian's zsh does not look into the former
        _documents(root / "usr/share/doc/arsync")
        size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
        control = root / "DEBIAN"
        control.mkdir()
        (control / "control").write_text(_CONTROL.format(version=version(), size=(size + 1023) >> 10))
        for name, script in _SCRIPTS.items():
            (control / name).write_text(script)
            (control / name).chmod(0o755)
        settle(root)
        output.parent.mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch())}
        # xz: dpkg reads zstd only since Debian 12.
        command = ["dpkg-deb", "--build", "--root-owner-group", "-Zxz", str(root), str(output)]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _documents(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "copyright").write_text((TOP / "LICENSE").read_text() + _OTHERS)
    changelog = gzip.compress((TOP / "docs/changelog.md").read_bytes(), mtime=0)
    (directory / "changelog.gz").write_bytes(changelog)


def main() -> None:
    """Make it and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TOP / f"dist/arsync_{version()}_all.deb", metavar="FILE")
    given = parser.parse_args()
    build(given.output)
    print(given.output)


if __name__ == "__main__":
    main()
