"""Trees that are large in one way or another: a part of it each time, and all of it with ARSYNC_SCALE=full.

The full sizes (a million files, 100,000 directories, 50,000 links, 3,000 levels) take half an hour and 3 GiB of
memory for the file systems. How much memory arsync itself takes is measured by ``python benches/run.py --case scale``.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from support.commands import Result, arsync, rsync

FULL = os.environ.get("ARSYNC_SCALE") == "full"
LONG = b"n" * 255

pytestmark = pytest.mark.timeout(3600 if FULL else 300)


def scaled(full: int, part: int) -> int:
    return full if FULL else part


def run(*arguments: bytes | str) -> Result:
    result = arsync(*arguments, timeout=3000)
    assert (result.code, result.err) == (0, b"")
    return result


@pytest.fixture
def there(here: bytes) -> Iterator[bytes]:
    """As ``here``, but whatever is in it can be removed."""
    yield here
    subprocess.run(["rm", "-rf", here], check=True)


# One directory inside the other


def nest(top: bytes, levels: int, name: bytes) -> None:
    """Directories inside one another, each with a file and two names of another."""
    os.mkdir(top)
    fd = os.open(top, os.O_RDONLY)
    for level in range(levels):
        for file in (b"file", b"linked"):
            made = os.open(file, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=fd)
            os.write(made, b"%d" % level)
            os.utime(made, ns=(10**18 + level, 10**18 + level))
            os.close(made)
        os.link(b"linked", b"link", src_dir_fd=fd, dst_dir_fd=fd)
        os.mkdir(name, 0o750, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


Level = tuple[list[bytes], int, list[tuple[int, int, int]]]


def levels_of(top: bytes, name: bytes) -> list[Level]:
    """What each level is: its names, its mode, and of its files the mode, links and time."""
    found = []
    fd = os.open(top, os.O_RDONLY)
    while True:
        names = sorted(map(os.fsencode, os.listdir(fd)))
        files = [os.stat(file, dir_fd=fd, follow_symlinks=False) for file in names if file != name]
        stats = [(st.st_mode, st.st_nlink, st.st_mtime_ns) for st in files]
        found.append((names, os.fstat(fd).st_mode, stats))
        try:
            below = os.open(name, os.O_RDONLY, dir_fd=fd)
        except FileNotFoundError:
            os.close(fd)
            return found
        os.close(fd)
        fd = below


def without_links(levels: list[Level]) -> list[Level]:
    return [(names, mode, [(m, 1, mtime) for m, _, mtime in files]) for names, mode, files in levels]


@pytest.fixture(params=[b"inside it", LONG], ids=["short", "long"])
def deep(there: bytes, request: pytest.FixtureRequest) -> tuple[bytes, bytes, int]:
    """A directory with a deep source, beyond PATH_MAX: the directory, a level's name, and how many there are."""
    name: bytes = request.param
    # Each entry's line names its whole path: at 3,000 levels of the longest names a listing would have 4 GB.
    levels = scaled(1000, 50) if name == LONG else scaled(3000, 450)
    nest(os.path.join(there, b"src"), levels, name)
    return there, name, levels


def test_deeper_than_a_path_may_be_long(deep: tuple[bytes, bytes, int]) -> None:
    """Copied, found unchanged, listed, linked to an earlier copy, and deleted, in each of the ways."""
    there, name, levels = deep
    src, dst, empty = (os.path.join(there, part) for part in (b"src", b"dst", b"empty"))
    expected = levels_of(src, name)
    assert len(expected) == levels + 1

    dry = run("-aHin", src + b"/", dst).lines
    assert len(dry) == 4 * levels + 2  # with "created directory"
    assert sorted(run("-aHi", src + b"/", dst).lines) == sorted(dry)  # links are told when their file is done
    assert levels_of(dst, name) == expected
    assert run("-aHi", "--delete", src + b"/", dst).lines == []
    assert len(run("-r", "--list-only", src + b"/").lines) == 4 * levels + 1

    linked = os.path.join(there, b"linked")
    run("-a", "--link-dest=../dst", src + b"/", linked)
    found = levels_of(linked, name)
    assert len(found) == levels + 1
    assert all(links > 1 for _, _, files in found for _, links, _ in files)
    run("-a", "--link-dest=../dst", "--delete-after", src + b"/", linked)

    os.mkdir(empty)
    listed = arsync("-ain", "--delete", empty + b"/", dst, timeout=600)
    assert (listed.code, len(listed.lines)) == (0, 4 * levels + 1)
    for top, way in ((dst, "--delete-before"), (linked, "--delete-delay")):
        assert arsync("-a", way, empty + b"/", top, timeout=600).code == 0
        assert os.listdir(top) == []


def test_deep_and_replaced(deep: tuple[bytes, bytes, int]) -> None:
    """Temporary names, delayed updates and backups at every depth."""
    there, name, levels = deep
    src, dst = (os.path.join(there, part) for part in (b"src", b"dst"))
    expected = without_links(levels_of(src, name))
    run("-a", "-I", src + b"/", dst)
    run("-a", "-I", "--delay-updates", src + b"/", dst)
    assert levels_of(dst, name) == expected
    run("-a", "-I", "--no-O", "-b", "--suffix=.old", src + b"/", dst)
    found = levels_of(dst, name)
    assert all(len(names) == 7 for names, _, _ in found[:levels])
    run("-a", "--delete", "--no-b", src + b"/", dst)
    assert levels_of(dst, name) == expected
    run("-a", "-I", "-b", "--backup-dir=../bak", src + b"/", dst)
    assert len(levels_of(os.path.join(there, b"bak"), name)) == levels


def test_long_paths_of_links(there: bytes) -> None:
    """What the parent says to a worker and what it answers both have more of them than a socket holds."""
    src, levels = os.path.join(there, b"src"), 300
    nest(src, levels, LONG)
    assert len(run("-aHin", src + b"/", os.path.join(there, b"dst")).lines) == 4 * levels + 2


# Long names


@pytest.mark.needs_rsync
@pytest.mark.parametrize("filling", [b"n", "ü".encode()], ids=["bytes", "umlauts"])
@pytest.mark.parametrize(
    "options",
    [
        "-a", "-ai --partial-dir=.part", "-ai --delay-updates", "-ai --temp-dir=TOP/temp", "-ai --inplace",
        "-ab --backup-dir=../bak", "-ab --delete --backup-dir=../bak", "-aS --fsync", "-ai --link-dest=../old",
        "-aH --delete-after", "-a --verify",
    ],
)  # fmt: skip
def test_names_of_255_bytes_everywhere(there: bytes, filling: bytes, options: str) -> None:
    """Replaced files, symlinks, directories and links, and what is deleted: all as by rsync."""
    long = [b"%d" % n + (filling * 255)[: 254 // len(filling) * len(filling)] for n in range(6)]
    trees = {}
    for tool, copy in (("rsync", rsync), ("arsync", arsync)):
        top = os.path.join(there, tool.encode())
        for directory in (b"", b"/src", b"/dst", b"/temp", b"/old", b"/src/" + long[0], b"/dst/" + long[0]):
            os.mkdir(top + directory)
        for side, data in ((b"/src/", b"new"), (b"/dst/", b"older")):
            for place in (b"", long[0] + b"/"):
                for number in (1, 2, 3 if side == b"/src/" else 4):
                    path = top + side + place + long[number]
                    with open(path, "wb") as file:
                        file.write(data + long[number])
                    os.utime(path, (1_600_000_000, 1_600_000_000))
                os.symlink((data + long[5])[:255], top + side + place + long[5])
        asked = [
            option
            for option in options.replace("TOP", os.fsdecode(top)).split()
            if option != "--verify" or tool == "arsync"
        ]
        result = copy(*asked, "src/", "dst", cwd=top, timeout=60)
        assert (result.code, result.err) == (0, b"")
        trees[tool] = {
            os.path.relpath(os.path.join(path, name), top): os.lstat(os.path.join(path, name)).st_size
            for path, directories, files in os.walk(top)
            for name in files
        }
    assert trees["arsync"] == trees["rsync"]


# Many


def test_many_files_in_one_directory(there: bytes) -> None:
    """Listed, copied, found unchanged, linked and deleted, by every name."""
    number = scaled(1_000_000, 20_000)
    src, dst, linked = (os.path.join(there, part) for part in (b"src", b"dst", b"linked"))
    os.mkdir(src)
    fd = os.open(src, os.O_RDONLY)
    for index in range(number):
        os.close(os.open(b"%07d" % index, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
    os.close(fd)
    run("-a", src + b"/", dst)
    assert b"regular files transferred: 0\n" in run("-a", "--stats", "--delete", src + b"/", dst).out
    assert sorted(os.listdir(dst)) == sorted(os.listdir(src))
    if not FULL:
        run("-a", "--link-dest=../dst", src + b"/", linked)
        assert os.stat(os.path.join(linked, b"0000000")).st_nlink == 2
    os.mkdir(os.path.join(there, b"empty"))
    assert arsync("-a", "--delete", os.path.join(there, b"empty/"), dst, timeout=3000).code == 0
    assert os.listdir(dst) == []


def test_many_directories(there: bytes) -> None:
    number = scaled(100_000, 3_000)
    src, dst = (os.path.join(there, part) for part in (b"src", b"dst"))
    for index in range(number):
        path = os.path.join(src, b"%03d" % (index // 1000), b"%04d" % (index % 1000))
        os.makedirs(path)
        os.utime(path, ns=(10**18 + index, 10**18 + index))
    run("-a", src + b"/", dst)
    for options in ("-ai", "-aHi --delete-delay", "-aim"):
        assert run(*options.split(), src + b"/", dst).lines == []
    assert len(run("-aim", src + b"/", os.path.join(there, b"pruned")).lines) == 2


def test_many_links(there: bytes) -> None:
    """50,000 names of one file, and as many pairs (tests/e2e/test_limits.py has more than a file may have)."""
    number = scaled(50_000, 2_000)
    src, dst = (os.path.join(there, part) for part in (b"src", b"dst"))
    for directory in (src, os.path.join(src, b"pairs")):
        os.mkdir(directory)
    fd = os.open(src, os.O_RDONLY)
    os.close(os.open(b"first", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
    for index in range(number - 1):
        os.link(b"first", b"%06d" % index, src_dir_fd=fd, dst_dir_fd=fd)
        os.close(os.open(b"pairs/%06d" % index, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
        os.link(b"pairs/%06d" % index, b"pairs/also %06d" % index, src_dir_fd=fd, dst_dir_fd=fd)
    os.close(fd)
    run("-aH", src + b"/", dst)
    assert os.stat(os.path.join(dst, b"first")).st_nlink == number
    assert {entry.stat().st_nlink for entry in os.scandir(os.path.join(dst, b"pairs"))} == {2}
    assert run("-aHi", src + b"/", dst).lines == []
    again = os.path.join(there, b"again")
    run("-aH", "--link-dest=../dst", src + b"/", again)
    assert os.stat(os.path.join(again, b"first")).st_nlink == 2 * number


# Large

_DATA = (0, 123_456_789, 1 << 40, (3 << 40) + 5)
#: 4 TiB, but for what ext4 with blocks of 1 KiB cannot hold.
_SIZE = (4 << 40) - (64 << 10)


@pytest.mark.needs_root
@pytest.mark.parametrize(
    "options",
    ["-a", "-aS", "-aP", "-a --bwlimit=100000", "-aS --inplace", "-a --io-engine=plain", "-a --copy-method=mmap"],
)
def test_four_tebibytes_of_holes(place: tuple[str, bytes], options: str) -> None:
    """It takes as long as what is in it, and as much room."""
    kind, top = place
    if kind == "vfat":
        pytest.skip("vfat has no holes, nor files of 4 TiB")
    src, dst = os.path.join(top, b"src"), os.path.join(top, b"dst")
    os.mkdir(src)
    written = [*_DATA, _SIZE - 5000]
    with open(os.path.join(src, b"large"), "wb") as file:
        file.truncate(_SIZE)
        for offset in written:
            os.pwrite(file.fileno(), b"at %d;" % offset * 100, offset)
    run(*options.split(), "--whole-file", "--quiet", src + b"/", dst)
    with open(os.path.join(dst, b"large"), "rb") as file:
        st = os.fstat(file.fileno())
        assert st.st_size == _SIZE
        assert st.st_blocks * 512 < 4 << 20
        for offset in written:
            expected = b"at %d;" % offset * 100
            assert os.pread(file.fileno(), len(expected) + 1000, offset) == (expected + bytes(1000))[: _SIZE - offset]
        position, found = 0, 0
        while position < _SIZE:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), position, os.SEEK_HOLE)
            found += end - position - os.pread(file.fileno(), end - position, position).count(0)
            position = end
        assert found == sum(len(b"at %d;" % offset) * 100 for offset in written)


def test_small_holes_and_an_old_file_are_written_in_full(there: bytes) -> None:
    """Without -S, only large holes of new files stay: what overwrites an old file gives it every block."""
    src, dst = os.path.join(there, b"src"), os.path.join(there, b"dst")
    for directory in (src, dst):
        os.mkdir(directory)
    with open(os.path.join(src, b"f"), "wb") as file:
        file.truncate(40 << 20)
        for offset in (*range(0, 4 << 20, 128 << 10), 20 << 20):
            os.pwrite(file.fileno(), b"data", offset)
    run("-a", src + b"/", dst + b"/new")
    assert 3 << 20 <= os.stat(dst + b"/new/f").st_blocks * 512 < 6 << 20
    with open(os.path.join(dst, b"f"), "wb") as file:
        file.write(b"old" * 1000)
    run("-a", "--inplace", "--no-S", src + b"/f", dst)
    assert os.stat(dst + b"/f").st_blocks * 512 >= 40 << 20
    for name in (b"/new/f", b"/f"):
        with open(src + b"/f", "rb") as one, open(dst + name, "rb") as other:
            assert one.read() == other.read()
    run("-a", "--preallocate", src + b"/", dst + b"/allocated")
    assert os.stat(dst + b"/allocated/f").st_blocks * 512 >= 40 << 20
