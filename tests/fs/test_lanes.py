"""Large files in lanes, on every backend."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arsync.fs.blocks import ReadError, StoppedError, WriteError
from arsync.fs.lanes import copy_lanes, copy_large
from arsync.fs.protocol import FileOps
from fs.backends import Backend

SIZE = (3 << 20) + 12345


@pytest.fixture
def data() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
def pair(tmp_path: Path, data: bytes) -> Iterator[tuple[int, int]]:
    """Descriptors of a source that holds the data and of an empty destination."""
    (tmp_path / "source").write_bytes(data)
    src = os.open(tmp_path / "source", os.O_RDONLY)
    dst = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)
    yield src, dst
    os.close(src)
    os.close(dst)


Copy = Callable[[FileOps, int, int, int, int, Callable[[], bool]], Any]

WAYS: dict[str, Copy] = {
    "one lane": lambda o, s, d, a, n, stop: copy_lanes(o, s, d, a, n, block=100000, lanes=1, stop=stop),
    "lanes": lambda o, s, d, a, n, stop: copy_lanes(o, s, d, a, n, block=100000, lanes=8, stop=stop),
    "large": lambda o, s, d, a, n, stop: copy_large(o, s, d, a, n, 1 << 18, stop),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(request: pytest.FixtureRequest) -> Copy:
    copy: Copy = request.param
    return copy


def never() -> bool:
    return False


def contents(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def test_the_copy_is_exact(backend: Backend, pair: tuple[int, int], data: bytes, way: Copy) -> None:
    assert backend.run(way(backend.ops, *pair, 0, SIZE, never)) == SIZE
    assert contents(pair[1]) == data


def test_a_part_is_copied_to_the_same_place(backend: Backend, pair: tuple[int, int], data: bytes, way: Copy) -> None:
    assert backend.run(way(backend.ops, *pair, 1000, 1 << 20, never)) == 1 << 20
    assert contents(pair[1]) == bytes(1000) + data[1000 : 1000 + (1 << 20)]


def test_a_source_that_has_become_shorter_ends_the_copy_there(
    backend: Backend, pair: tuple[int, int], data: bytes, way: Copy
) -> None:
    assert backend.run(way(backend.ops, *pair, 0, SIZE + (5 << 20), never)) == SIZE
    assert contents(pair[1]) == data


def test_it_stops_when_told(backend: Backend, pair: tuple[int, int], way: Copy) -> None:
    with pytest.raises(StoppedError):
        backend.run(way(backend.ops, *pair, 0, SIZE, lambda: True))


def test_an_error_names_its_side(backend: Backend, pair: tuple[int, int], tmp_path: Path, way: Copy) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(ReadError) as reading:
        backend.run(way(backend.ops, directory, pair[1], 0, SIZE, never))
    os.close(directory)
    assert reading.value.errno == errno.EISDIR
    with pytest.raises(WriteError) as writing:
        backend.run(way(backend.ops, pair[0], pair[0], 0, SIZE, never))
    assert writing.value.errno == errno.EBADF


def test_a_full_destination_is_an_error_of_writing(backend: Backend, pair: tuple[int, int], way: Copy) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(WriteError) as caught:
        backend.run(way(backend.ops, pair[0], full, 0, SIZE, never))
    os.close(full)
    assert caught.value.errno == errno.ENOSPC


def test_many_large_files_at_once_share_the_lanes(backend: Backend, tmp_path: Path, data: bytes) -> None:
    count = 12
    targets = [os.open(tmp_path / f"target {n}", os.O_RDWR | os.O_CREAT) for n in range(count)]
    (tmp_path / "source").write_bytes(data)
    src = os.open(tmp_path / "source", os.O_RDONLY)
    done: list[int] = []

    async def one(dst: int) -> None:
        done.append(await copy_large(backend.ops, src, dst, 0, SIZE, 1 << 16, never))

    backend.runner.run((one(dst) for dst in targets), 4)
    assert done == [SIZE] * count
    for dst in targets:
        assert contents(dst) == data
        os.close(dst)
    os.close(src)
