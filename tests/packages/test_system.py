"""What is in the .deb and the .rpm, and that it runs where it is unpacked.

test_clean_root.py installs them.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import arsync
from support.packages import TOP, exercise, make

#: Beside the modules.
FILES = {
    "usr/bin/arsync",
    "usr/share/man/man1/arsync.1.gz",
    "usr/share/bash-completion/completions/arsync",
    "usr/share/fish/vendor_completions.d/arsync.fish",
}

#: Where the zsh of each distribution looks for what packages bring.
ZSH = {".deb": "usr/share/zsh/vendor-completions/_arsync", ".rpm": "usr/share/zsh/site-functions/_arsync"}


def _deb(made: Path, to: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", made, to], check=True)


def _rpm(made: Path, to: Path) -> None:
    subprocess.run(["rpm2archive", made], check=True)
    subprocess.run(["tar", "-xzf", f"{made}.tgz", "-C", to], check=True)


@pytest.fixture(scope="module", params=[("deb", _deb, ["dpkg-deb"]), ("rpm", _rpm, ["rpmbuild", "rpm2archive"])])
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Each package, and what it has, unpacked."""
    kind, unpack, tools = request.param
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"{', '.join(absent)} not installed")
    made = make(f"{kind}.py", tmp_path_factory.mktemp(kind) / f"arsync.{kind}")
    unpacked = tmp_path_factory.mktemp(f"{kind}-unpacked")
    unpack(made, unpacked)
    return made, unpacked


def test_files(package: tuple[Path, Path]) -> None:
    """The command, the manual page, the completions, and modules without anything compiled."""
    made, top = package
    expected = FILES | {ZSH[made.suffix]}
    inside = {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}
    assert inside >= expected
    modules = {name for name in inside if name.startswith("usr/lib/arsync/")}
    documents = {name for name in inside if name.startswith(("usr/share/doc/arsync/", "usr/share/licenses/arsync/"))}
    assert inside - modules - expected == documents
    assert not [name for name in modules if name.endswith((".so", ".pyc"))]
    sources = {str(path.relative_to(TOP / "src")) for path in (TOP / "src").rglob("*.py")}
    assert {f"usr/lib/arsync/{name}" for name in sources} <= modules
    page = gzip.decompress((top / "usr/share/man/man1/arsync.1.gz").read_bytes()).decode()
    assert f'"arsync {arsync.__version__}"' in page


def test_modes(package: tuple[Path, Path]) -> None:
    """Nobody but root may change what root will run, whatever the umask of whoever made it."""
    _, top = package
    for path in top.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o755 if path.is_dir() or path.parent.name == "bin" else 0o644), path
    assert (top / "usr/bin/arsync").read_text().startswith("#!/usr/bin/python3 -I\n")


def test_it_runs(package: tuple[Path, Path], tmp_path: Path) -> None:
    """The command itself, with the place of the modules put right."""
    _, top = package
    text = (top / "usr/bin/arsync").read_text()
    assert text.count('"/usr/lib/arsync"') == 1
    command = tmp_path / "command"
    command.write_text(text.replace("/usr/lib/arsync", str(top / "usr/lib/arsync")))
    exercise([sys.executable, "-I", "-S", command], tmp_path)


def test_what_it_says_of_itself(package: tuple[Path, Path]) -> None:
    """Version and dependencies, as the package managers read them."""
    made, _ = package
    if made.suffix == ".deb":
        fields = ["dpkg-deb", "-f", str(made), "Package", "Version", "Architecture", "Depends"]
        wanted = f"Package: arsync\nVersion: {arsync.__version__}\nArchitecture: all\nDepends: python3 (>= 3.10)\n"
    else:
        fields = ["rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{ARCH}\n[%{REQUIRES}\n]", str(made)]
        wanted = f"arsync {arsync.__version__} noarch\n"
    said = subprocess.run(fields, capture_output=True, text=True, check=True).stdout
    assert said.startswith(wanted)
    needed = {line for line in said.splitlines()[1:] if not line.startswith("rpmlib(")}
    assert made.suffix == ".deb" or needed == {"/bin/sh", "python3"}


def test_the_same_sources_make_the_same_deb(package: tuple[Path, Path], tmp_path: Path) -> None:
    """Whoever doubts a download can make it again."""
    made, _ = package
    if made.suffix == ".rpm":
        pytest.skip("rpm notes when and by what it was built")
    old = os.umask(0o077)
    try:
        again = make("deb.py", tmp_path / "again.deb")
    finally:
        os.umask(old)
    assert again.read_bytes() == made.read_bytes()


def test_zsh_of_this_system_finds_it(package: tuple[Path, Path]) -> None:
    """Of Debian's package, on Debian and its like."""
    made, _ = package
    if made.suffix == ".rpm" or not Path("/etc/debian_version").exists() or shutil.which("zsh") is None:
        pytest.skip("not the package of this system, or no zsh here")
    searched = subprocess.run(["zsh", "-fc", "print -l $fpath"], capture_output=True, text=True, check=True).stdout
    assert f"/{os.path.dirname(ZSH['.deb'])}\n" in searched
