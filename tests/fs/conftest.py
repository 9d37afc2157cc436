"""Fixtures of the tests of arsync.fs."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arsync.fs.plain import PlainRunner
from fs.backends import Backend, open_descriptors, ring_or_skip


@pytest.fixture(params=["plain", "plain-threads", "uring", "uring-waiting"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Every backend, in both of its ways of working; a test that leaks a descriptor fails."""
    name: str = request.param
    before = open_descriptors()
    runner = PlainRunner() if name.startswith("plain") else ring_or_skip()
    runner.waiting = name.endswith(("threads", "waiting"))
    yield Backend(runner)
    runner.close()
    gc.collect()
    assert open_descriptors() - before == set()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """A descriptor of an empty directory."""
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture
def make(directory: int) -> Callable[[bytes, bytes], None]:
    """Makes a file with this name and these contents."""

    def make(name: bytes, data: bytes) -> None:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=directory)
        os.write(fd, data)
        os.close(fd)

    return make
