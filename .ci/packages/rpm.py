"""The RPM package, for Fedora and what is made from it: ``python .ci/packages/rpm.py [--output FILE]``.

Needs rpmbuild, which Debian has too (package rpm).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tree import TOP, epoch, settle, system_tree, version

#: What would look through the tree for dependencies and bytecode is what this machine's rpm has, which need not know
#: Python: both are said here. The directories of shells are the package's too, since the shells may not be installed.
_SPEC = """
%global __os_install_post %{{nil}}
%global _binary_payload w9.gzdio
%global _buildhost localhost
%global clamp_mtime_to_source_date_epoch 1
%global use_source_date_epoch_as_buildtime 1

Name: arsync
Version: {version}
Release: 1
Summary: Copies file trees on one machine as rsync does, on every CPU
License: MIT AND BSD-3-Clause
BuildArch: noarch
AutoReqProv: no
Requires: python3 >= 3.10
Recommends: liburing >= 2.4
Recommends: python3-xxhash

%description
arsync takes rsync's options and copies between local directories, with many
files in flight at once: by worker processes on every CPU, and by io_uring
where that pays. A file is complete, with all its metadata, before it gets
its name; a second run finds nothing to do.

%install
cp -a {tree}/. %{{buildroot}}/

%post
/usr/bin/python3 -m compileall -q /usr/lib/arsync >/dev/null || :

%preun
find /usr/lib/arsync -depth -name __pycache__ -exec rm -rf {{}} +

%files
%defattr(-,root,root,-)
%attr(0755,root,root) /usr/bin/arsync
/usr/lib/arsync
/usr/share/man/man1/arsync.1.gz
%dir /usr/share/bash-completion
%dir /usr/share/bash-completion/completions
/usr/share/bash-completion/completions/arsync
%dir /usr/share/zsh
%dir /usr/share/zsh/site-functions
/usr/share/zsh/site-functions/_arsync
%dir /usr/share/fish
%dir /usr/share/fish/vendor_completions.d
/usr/share/fish/vendor_completions.d/arsync.fish
%dir /usr/share/licenses
%dir /usr/share/licenses/arsync
%license /usr/share/licenses/arsync/LICENSE
"""


def build(output: Path) -> None:
    """Make the package."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        tree.mkdir()
        system_tree(tree)
        licenses = tree / "usr/share/licenses/arsync"
        licenses.mkdir(parents=True)
        shutil.copyfile(TOP / "LICENSE", licenses / "LICENSE")
        settle(tree)
        spec = Path(scratch, "arsync.spec")
        spec.write_text(_SPEC.format(version=version(), tree=tree))
        command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {scratch}/build", str(spec)]
        subprocess.run(command, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": str(epoch())})
        (made,) = Path(scratch, "build/RPMS").rglob("*.rpm")
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, output)


def main() -> None:
    """Make it and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=TOP / f"dist/arsync-{version()}-1.noarch.rpm", metavar="FILE")
    given = parser.parse_args()
    build(given.output)
    print(given.output)


if __name__ == "__main__":
    main()
