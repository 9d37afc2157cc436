"""What was looked at is what is worked on: something else that takes its name in between gets nothing of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

import pytest

from arsync.errors import ExitCode
from arsync.fs.syscalls import AT_FDCWD, exchange
from arsync.fs.views import device_as_file
from support.canary import Canary
from support.faults import Faults, plant, settle_timing
from support.inprocess import copy
from support.trees import Dir, Fifo, File, create

pytestmark = pytest.mark.needs_root

T = 10**18

PRIVATE = Dir({b"letter": File(b"nobody's business", 0o644, T)}, 0o700, T)


class Moment(Faults):
    """Acts once, right before the nth call of a kind that names something; a name with a plus sign at its end stands
    for temporary ones."""

    def __init__(self, call: str, name: bytes, act: Callable[[tuple[bytes, ...]], object], *, nth: int = 1) -> None:
        super().__init__()
        self._call, self._name, self._act, self._left = call, name, act, nth

    def check(self, call: str, *arguments: object) -> None:
        super().check(call, *arguments)
        names = self.steps[-1].names
        parts = {part for name in names for part in name.split(b"/")}
        if call == self._call and any(
            part == self._name or (self._name.endswith(b"+") and part.startswith(self._name)) for part in parts
        ):
            self._left -= 1
            if not self._left:
                self._act(names)

    @property
    def acted(self) -> bool:
        return self._left <= 0


@pytest.fixture
def run(here: bytes, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a copy with something happening at a moment, which has to come."""

    def run(moment: Moment, **options: Any) -> Any:
        settle_timing(monkeypatch)
        plant(monkeypatch, moment)
        done = copy(here, **options)
        assert moment.acted
        return done

    return run


def mode(*parts: bytes) -> int:
    return stat.S_IMODE(os.lstat(os.path.join(*parts)).st_mode)


@pytest.mark.parametrize("options", [{}, {"copy_dirlinks": True}, {"one_file_system": 2}], ids=str)
def test_private_directory_in_the_source(here: bytes, run: Callable[..., Any], options: dict[str, Any]) -> None:
    """A directory that others may not enter takes the name of one that they may: its copy is as private."""
    create(os.path.join(here, b"src"), Dir({b"d": Dir({}, 0o755, T), b"private": PRIVATE}))
    one, other = os.path.join(here, b"src/d"), os.path.join(here, b"src/private")
    run(Moment("open", b"d", lambda _: exchange(AT_FDCWD, one, other)), **options)
    assert os.listdir(os.path.join(here, b"dst/d")) == [b"letter"]
    assert mode(here, b"dst/d") == 0o700


@pytest.mark.parametrize("level", [b"d", b"dst"])
def test_private_directory_in_the_destination(here: bytes, run: Callable[..., Any], level: bytes) -> None:
    """Without -p a directory keeps its own mode, not that of the one whose name it took."""
    create(os.path.join(here, b"src"), Dir({b"d": Dir({b"f": File()}, 0o755, T)}))
    create(os.path.join(here, b"dst"), Dir({b"d": Dir({}, 0o775), b"private": PRIVATE}, 0o775))
    create(os.path.join(here, b"private"), PRIVATE)
    where = os.path.join(here, b"dst") if level == b"d" else here
    one, other = os.path.join(where, level), os.path.join(where, b"private")
    nth = 2 if level == b"d" else 1  # the source's d is the first
    run(Moment("open", level, lambda _: exchange(AT_FDCWD, one, other), nth=nth), perms=False)
    assert mode(one) == 0o700


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_another_takes_the_place_of_what_was_just_made(here: bytes, run: Callable[..., Any], kind: str) -> None:
    """A fifo or device of somebody's does not get the new one's owner and mode."""
    create(os.path.join(here, b"src"), Dir())
    create(os.path.join(here, b"dst"), Dir())
    theirs = os.path.join(here, b"theirs")
    number = os.makedev(1, 5)
    for path, bits, device in ((os.path.join(here, b"src/p"), 0o666, os.makedev(1, 3)), (theirs, 0o600, number)):
        os.mknod(path, stat.S_IFIFO if kind == "fifo" else stat.S_IFCHR, device)
        os.chmod(path, bits)
    place = os.path.join(here, b"dst/p")
    options = {"specials": True, "devices": True, "owner": True}
    code, failures = run(Moment("open", b"p", lambda _: exchange(AT_FDCWD, place, theirs)), **options)
    assert (code, len(failures)) == (ExitCode.PARTIAL, 1)
    assert "took its place" in failures[0].detail
    assert mode(place) == 0o600


def test_device_that_became_a_symlink(here: bytes) -> None:
    """Looking for its size opens nothing else."""
    canary = Canary(os.path.join(here, b"outside"))
    path = os.path.join(here, b"disk")
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 0))
    st = os.lstat(path)
    os.unlink(path)
    os.symlink(os.path.join(canary.top, b"secret"), path)
    with pytest.raises(OSError):
        device_as_file(path, st)  # type: ignore[arg-type]
    assert not canary.problems()
    canary.close()


def test_checksum_of_a_fifo(here: bytes, run: Callable[..., Any]) -> None:
    """%C reads no more than was copied, and nothing of a fifo that took the file's place."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"data", mtime_ns=T)}))
    fifo, path = os.path.join(here, b"fifo"), os.path.join(here, b"src/f")
    os.mkfifo(fifo)
    feeding = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    os.write(feeding, b"x" * 4096)
    code, failures = run(
        Moment("open", b"f", lambda _: exchange(AT_FDCWD, path, fifo), nth=2), out_format=b"%C", links=True
    )
    assert (code, failures) == (ExitCode.OK, [])
    assert len(os.read(feeding, 9999)) == 4096
    os.close(feeding)


def test_file_swapped_in_the_temp_dir(
    here: bytes, tmp_path_factory: pytest.TempPathFactory, run: Callable[..., Any]
) -> None:
    """What is copied over from --temp-dir is what was written there, whatever has its name now."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"right", mtime_ns=T)}))
    create(os.path.join(here, b"dst"), Dir({b"f": File(b"old")}))
    elsewhere = os.fsencode(tmp_path_factory.mktemp("elsewhere"))
    if os.stat(elsewhere).st_dev == os.stat(here).st_dev:
        pytest.skip("there is no second file system")

    def act(names: tuple[bytes, ...]) -> None:
        path = os.path.join(elsewhere, names[0])
        os.unlink(path)
        create(path, File(b"wrong"))

    code, failures = run(Moment("rename", b".f.+", act), temp_dir=elsewhere)
    assert (code, failures) == (ExitCode.OK, [])
    with open(os.path.join(here, b"dst/f"), "rb") as file:
        assert file.read() == b"right"


def test_backup_of_what_became_a_device(here: bytes, run: Callable[..., Any]) -> None:
    """A backup that has to be a copy is one of a file."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"new", mtime_ns=T)}))
    create(os.path.join(here, b"dst"), Dir({b"f": File(b"old")}))
    path, other = os.path.join(here, b"dst/f"), os.path.join(here, b"zeros")
    os.mknod(other, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    # --inplace makes a copy: source, destination, backup are opened in this order
    run(Moment("open", b"f", lambda _: exchange(AT_FDCWD, path, other), nth=2), inplace=True, backup=True)
    assert not os.path.lexists(path + b"~")


def test_fifo_that_took_the_place_of_a_stored_symlink(here: bytes, run: Callable[..., Any]) -> None:
    """--fake-super reads a symlink's target from a file, and from nothing else."""
    create(os.path.join(here, b"src"), Dir({b"s": File(b"target", xattrs={b"user.rsync.%stat": b"120777 0,0 0:0"})}))
    fifo, path = os.path.join(here, b"fifo"), os.path.join(here, b"src/s")
    os.mkfifo(fifo)
    feeding = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    os.write(feeding, b"elsewhere")
    moment = Moment("open", b"s", lambda _: exchange(AT_FDCWD, path, fifo), nth=2)
    code, failures = run(moment, links=True, fake_super=True)
    assert (code, len(failures)) == (ExitCode.PARTIAL, 1)
    assert os.read(feeding, 99) == b"elsewhere"
    os.close(feeding)
    assert not os.listdir(os.path.join(here, b"dst"))


def test_fifos_do_not_block(here: bytes) -> None:
    """A fifo is neither copied nor opened without --specials, and none is opened with it."""
    create(os.path.join(here, b"src"), Dir({b"p": Fifo(), b"f": File()}))
    create(os.path.join(here, b"dst"), Dir({b"f": Fifo()}))
    assert copy(here) == (ExitCode.OK, [])
    assert sorted(os.listdir(os.path.join(here, b"dst"))) == [b"f"]
    assert copy(here, specials=True, inplace=True) == (ExitCode.OK, [])
