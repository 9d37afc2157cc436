"""Every operation on every backend: the same results, the same errors."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import stat
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from arsync.fs import syscalls
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.uring import UringOps
from fs.backends import Backend

Make = Callable[[bytes, bytes], None]

#: Not UTF-8, control characters, the longest the kernel takes, blanks.
NAMES = [b"plain", b"\xff\xfe\x80", b"new\nline\tand\x01", b"x" * 255, b" ", "ü€".encode()]

#: Every field of a status.
STATUS = [name for name in vars(StatResult) if name.startswith("st_")]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_created_written_read_and_removed_under_any_name(
    backend: Backend, directory: int, name: bytes
) -> None:
    async def scenario(ops: FileOps) -> bytes:
        fd = await ops.openat(directory, name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        assert await ops.write(fd, bytearray(b"contents"), 0) == 8
        buf = bytearray(20)
        got = await ops.read(fd, buf, 3)
        await ops.fsync(fd)
        await ops.close(fd)
        assert os.listdir(directory) == [os.fsdecode(name)]
        await ops.unlinkat(directory, name)
        return bytes(buf[:got])

    assert backend.run(scenario(backend.ops)) == b"tents"
    assert os.listdir(directory) == []


def test_descriptors_are_closed_on_exec(backend: Backend, directory: int) -> None:
    async def scenario(ops: FileOps) -> None:
        for fd in (
            await ops.openat(directory, b".", os.O_RDONLY),
            await ops.openat2(directory, b".", os.O_RDONLY, 0, syscalls.RESOLVE_BENEATH),
        ):
            assert not os.get_inheritable(fd)
            await ops.close(fd)

    backend.run(scenario(backend.ops))


def test_a_created_file_gets_the_mode_less_the_umask(backend: Backend, directory: int) -> None:
    async def scenario(ops: FileOps) -> int:
        fd = await ops.openat(directory, b"file", os.O_WRONLY | os.O_CREAT, 0o666)
        await ops.mkdirat(directory, b"dir", 0o777)
        await ops.close(fd)
        return (await ops.lstat(directory, b"file")).st_mode & 0o777

    before = os.umask(0o027)
    try:
        assert backend.run(scenario(backend.ops)) == 0o640
        assert stat.S_IMODE(os.stat("dir", dir_fd=directory).st_mode) == 0o750
    finally:
        os.umask(before)


def test_status_is_exactly_what_os_stat_says(backend: Backend, directory: int, make: Make) -> None:
    make(b"file", b"x" * 5000)
    os.utime("file", ns=(1, 2**33 * 10**9 + 123456789), dir_fd=directory)
    os.symlink("file", "link", dir_fd=directory)
    os.mkdir("dir", dir_fd=directory)

    if isinstance(backend.ops, UringOps):
        unasked = backend.run(backend.ops.lstat(directory, b"file"))
        assert unasked.st_atime_ns == 0
        backend.ops.ask_for_atimes()

    async def scenario(ops: FileOps, name: bytes) -> list[Any]:
        held = await ops.openat(directory, name, os.O_PATH | os.O_NOFOLLOW)
        both = [await ops.lstat(directory, name), await ops.fstat(held)]
        await ops.close(held)
        return both

    for name in (b"file", b"link", b"dir", b"/dev/null", b"/proc/self/mem"):
        expected = os.stat(name, dir_fd=directory, follow_symlinks=False)
        for status in backend.run(scenario(backend.ops, name)):
            assert {f: getattr(status, f) for f in STATUS} == {f: getattr(expected, f) for f in STATUS}


@pytest.mark.parametrize("seconds", [-(2**31), -1, 0, 2**31, 2**34 - 1])
def test_times_before_1970_and_after_2038_are_exact(backend: Backend, directory: int, make: Make, seconds: int) -> None:
    make(b"file", b"")
    os.utime("file", ns=(0, seconds * 10**9 + 999999999), dir_fd=directory)
    expected = os.stat("file", dir_fd=directory).st_mtime_ns  # what the file system could hold
    assert backend.run(backend.ops.lstat(directory, b"file")).st_mtime_ns == expected


def test_reads_end_short_at_the_end_of_the_file(backend: Backend, directory: int, make: Make) -> None:
    make(b"file", b"0123456789")

    async def scenario(ops: FileOps) -> list[int]:
        fd = await ops.openat(directory, b"file", os.O_RDONLY)
        buf = bytearray(8)
        counts = [await ops.read(fd, buf, offset) for offset in (0, 8, 10, 99)]
        counts.append(await ops.read(fd, bytearray(), 0))
        await ops.close(fd)
        return counts

    assert backend.run(scenario(backend.ops)) == [8, 2, 0, 0, 0]


def test_slices_of_buffers_are_read_and_written_in_place(backend: Backend, directory: int) -> None:
    async def scenario(ops: FileOps) -> bytes:
        fd = await ops.openat(directory, b"file", os.O_RDWR | os.O_CREAT, 0o600)
        view = memoryview(bytearray(b"abcdefghij"))
        assert await ops.write(fd, view[2:5], 0) == 3
        assert await ops.write(fd, memoryview(b"read-only")[5:], 3) == 4
        target = bytearray(b"." * 10)
        assert await ops.read(fd, memoryview(target)[3:9], 0) == 6
        await ops.close(fd)
        return bytes(target)

    assert backend.run(scenario(backend.ops)) == b"...cdeonl."


def test_a_mapped_file_is_written_without_a_copy(backend: Backend, directory: int, make: Make) -> None:
    make(b"source", b"m" * 10000)

    async def scenario(ops: FileOps) -> None:
        src = await ops.openat(directory, b"source", os.O_RDONLY)
        dst = await ops.openat(directory, b"target", os.O_RDWR | os.O_CREAT, 0o600)
        with mmap.mmap(src, 10000, mmap.MAP_SHARED, mmap.PROT_READ) as pages, memoryview(pages) as view:
            assert await ops.write(dst, view[5000:], 0) == 5000
        buf = bytearray(6000)
        assert await ops.read(dst, buf, 0) == 5000
        assert buf[:5000] == b"m" * 5000
        await ops.close(src)
        await ops.close(dst)

    backend.run(scenario(backend.ops))


def test_a_buffer_cannot_be_resized_while_the_kernel_has_it(backend: Backend, directory: int, make: Make) -> None:
    make(b"file", b"data")
    buf = bytearray(4)

    async def scenario(ops: FileOps) -> None:
        fd = await ops.openat(directory, b"file", os.O_RDONLY)
        await ops.read(fd, buf, 0)
        await ops.close(fd)

    backend.run(scenario(backend.ops))
    buf.extend(b"!")  # and it can be again afterwards
    assert buf == b"data!"


def test_space_is_allocated_and_advice_given(backend: Backend, directory: int) -> None:
    async def scenario(ops: FileOps) -> tuple[int, int]:
        fd = await ops.openat(directory, b"file", os.O_RDWR | os.O_CREAT, 0o600)
        await ops.fallocate(fd, syscalls.FALLOC_FL_KEEP_SIZE, 0, 1 << 20)
        kept = await ops.fstat(fd)
        await ops.fallocate(fd, 0, 0, 1 << 20)
        await ops.fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        await ops.fadvise(fd, 0, 1 << 40, os.POSIX_FADV_DONTNEED)
        sized = await ops.fstat(fd)
        await ops.close(fd)
        assert kept.st_blocks * 512 >= 1 << 20
        return kept.st_size, sized.st_size

    try:
        assert backend.run(scenario(backend.ops)) == (0, 1 << 20)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system has no fallocate")


def test_names_are_changed_linked_and_removed(backend: Backend, directory: int, make: Make) -> None:
    make(b"one", b"1")
    make(b"two", b"2")

    async def scenario(ops: FileOps) -> None:
        await ops.mkdirat(directory, b"dir", 0o755)
        sub = await ops.openat(directory, b"dir", os.O_RDONLY | os.O_DIRECTORY)
        await ops.linkat(directory, b"one", sub, b"linked")
        assert (await ops.lstat(sub, b"linked")).st_nlink == 2
        await ops.renameat(sub, b"linked", directory, b"moved")
        await ops.renameat(directory, b"moved", sub, b"two\xff")
        await ops.symlinkat(b"any \xff target", sub, b"symlink")
        assert os.readlink(b"symlink", dir_fd=sub) == b"any \xff target"
        await ops.unlinkat(sub, b"symlink")
        await ops.unlinkat(sub, b"two\xff")
        await ops.close(sub)
        await ops.unlinkat(directory, b"dir", syscalls.AT_REMOVEDIR)
        await ops.renameat(directory, b"one", directory, b"two")

    backend.run(scenario(backend.ops))
    assert os.listdir(directory) == ["two"]
    assert os.stat("two", dir_fd=directory).st_size == 1


def test_an_unnamed_file_is_given_a_name(backend: Backend, directory: int) -> None:
    async def scenario(ops: FileOps) -> None:
        try:
            fd = await ops.openat(directory, b".", os.O_TMPFILE | os.O_WRONLY, 0o600)
        except OSError as error:
            pytest.skip(f"no O_TMPFILE here: {error}")
        await ops.write(fd, bytearray(b"late"), 0)
        try:
            await ops.linkat(fd, b"", directory, b"named\xff", syscalls.AT_EMPTY_PATH)
        except FileNotFoundError:
            link = b"/proc/self/fd/%d" % fd
            await ops.linkat(syscalls.AT_FDCWD, link, directory, b"named\xff", syscalls.AT_SYMLINK_FOLLOW)
        with pytest.raises(FileExistsError):
            await ops.linkat(fd, b"", directory, b"named\xff", syscalls.AT_EMPTY_PATH)
        await ops.close(fd)

    if os.geteuid():
        pytest.skip("AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH on older kernels")
    backend.run(scenario(backend.ops))
    assert os.stat(b"named\xff", dir_fd=directory).st_size == 4


@pytest.mark.parametrize("size", [0, 1, 3000])
def test_attributes_hold_any_bytes(backend: Backend, directory: int, make: Make, size: int) -> None:
    make(b"file", b"")
    value = bytes(range(256)) * (size // 256 + 1)

    async def scenario(ops: FileOps) -> bytes:
        fd = await ops.openat(directory, b"file", os.O_RDONLY)
        try:
            await ops.fsetxattr(fd, b"user.binary", value[:size])
            return await ops.fgetxattr(fd, b"user.binary")
        finally:
            await ops.close(fd)

    try:
        assert backend.run(scenario(backend.ops)) == value[:size]
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system has no user attributes")


def test_an_attribute_of_the_largest_size_is_read_whole(backend: Backend) -> None:
    """/dev/shm is a tmpfs, whose attributes may be as long as the kernel allows."""
    value = os.urandom(20000)
    path = f"/dev/shm/arsync-xattr-{os.getpid()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.setxattr(fd, "user.long", value)
        except OSError as error:
            pytest.skip(f"no long attributes here: {error}")
        assert backend.run(backend.ops.fgetxattr(fd, b"user.long")) == value
    finally:
        os.unlink(path)
        os.close(fd)


@pytest.fixture
def odd_tree(directory: int, make: Make) -> int:
    """One entry of each kind that an operation can stumble over."""
    make(b"file", b"x")
    os.mkdir("dir", dir_fd=directory)
    os.mkdir("dir/sub", dir_fd=directory)
    os.symlink("loop", "loop", dir_fd=directory)
    os.symlink("file", "link", dir_fd=directory)
    os.symlink("nowhere", "dangling", dir_fd=directory)
    return directory


Step = Callable[[FileOps, int], Coroutine[Any, Any, Any]]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL

FAILURES: list[tuple[str, int, Step]] = [
    ("open missing", errno.ENOENT, lambda o, d: o.openat(d, b"missing", os.O_RDONLY)),
    ("open empty name", errno.ENOENT, lambda o, d: o.openat(d, b"", os.O_RDONLY)),
    ("open below file", errno.ENOTDIR, lambda o, d: o.openat(d, b"file/x", os.O_RDONLY)),
    ("open loop", errno.ELOOP, lambda o, d: o.openat(d, b"loop", os.O_RDONLY)),
    ("open link nofollow", errno.ELOOP, lambda o, d: o.openat(d, b"link", os.O_RDONLY | os.O_NOFOLLOW)),
    ("open dir to write", errno.EISDIR, lambda o, d: o.openat(d, b"dir", os.O_WRONLY)),
    ("open existing excl", errno.EEXIST, lambda o, d: o.openat(d, b"file", _CREATE, 0o600)),
    ("open dangling excl", errno.EEXIST, lambda o, d: o.openat(d, b"dangling", _CREATE, 0o600)),
    ("open file as dir", errno.ENOTDIR, lambda o, d: o.openat(d, b"file", os.O_RDONLY | os.O_DIRECTORY)),
    ("open long", errno.ENAMETOOLONG, lambda o, d: o.openat(d, b"x" * 256, os.O_RDONLY)),
    ("open on bad fd", errno.EBADF, lambda o, d: o.openat(9999, b"x", os.O_RDONLY)),
    ("openat2 escape", errno.EXDEV, lambda o, d: o.openat2(d, b"..", os.O_RDONLY, 0, syscalls.RESOLVE_BENEATH)),
    ("openat2 link", errno.ELOOP, lambda o, d: o.openat2(d, b"link", os.O_RDONLY, 0, syscalls.RESOLVE_NO_SYMLINKS)),
    ("lstat missing", errno.ENOENT, lambda o, d: o.lstat(d, b"missing")),
    ("lstat below file", errno.ENOTDIR, lambda o, d: o.lstat(d, b"file/x")),
    ("fstat bad", errno.EBADF, lambda o, d: o.fstat(9999)),
    ("close bad", errno.EBADF, lambda o, d: o.close(9999)),
    ("read bad", errno.EBADF, lambda o, d: o.read(9999, bytearray(1), 0)),
    ("read dir", errno.EISDIR, lambda o, d: o.read(d, bytearray(1), 0)),
    ("write bad", errno.EBADF, lambda o, d: o.write(9999, bytearray(1), 0)),
    ("fsync bad", errno.EBADF, lambda o, d: o.fsync(9999)),
    ("fadvise bad", errno.EBADF, lambda o, d: o.fadvise(9999, 0, 0, 0)),
    ("fallocate bad", errno.EBADF, lambda o, d: o.fallocate(9999, 0, 0, 1)),
    ("rename missing", errno.ENOENT, lambda o, d: o.renameat(d, b"missing", d, b"x")),
    ("rename dir to file", errno.ENOTDIR, lambda o, d: o.renameat(d, b"dir", d, b"file")),
    ("rename file to dir", errno.EISDIR, lambda o, d: o.renameat(d, b"file", d, b"dir")),
    ("unlink missing", errno.ENOENT, lambda o, d: o.unlinkat(d, b"missing")),
    ("unlink dir", errno.EISDIR, lambda o, d: o.unlinkat(d, b"dir")),
    ("rmdir file", errno.ENOTDIR, lambda o, d: o.unlinkat(d, b"file", syscalls.AT_REMOVEDIR)),
    ("rmdir full", errno.ENOTEMPTY, lambda o, d: o.unlinkat(d, b"dir", syscalls.AT_REMOVEDIR)),
    ("mkdir existing", errno.EEXIST, lambda o, d: o.mkdirat(d, b"file", 0o700)),
    ("mkdir below missing", errno.ENOENT, lambda o, d: o.mkdirat(d, b"missing/x", 0o700)),
    ("symlink existing", errno.EEXIST, lambda o, d: o.symlinkat(b"t", d, b"file")),
    ("symlink empty", errno.ENOENT, lambda o, d: o.symlinkat(b"", d, b"new")),
    ("link existing", errno.EEXIST, lambda o, d: o.linkat(d, b"file", d, b"link")),
    ("link dir", errno.EPERM, lambda o, d: o.linkat(d, b"dir", d, b"new")),
    ("getxattr none", errno.ENODATA, lambda o, d: o.fgetxattr(d, b"user.none")),
    ("getxattr bad", errno.EBADF, lambda o, d: o.fgetxattr(9999, b"user.none")),
    ("setxattr namespace", errno.EOPNOTSUPP, lambda o, d: o.fsetxattr(d, b"nonsense.x", b"")),
    ("call", errno.ENOENT, lambda o, d: o.call(os.stat, "/missing/really")),
]


@pytest.mark.parametrize(("number", "step"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES])
def test_failures_have_the_errno_of_the_system_call(backend: Backend, odd_tree: int, number: int, step: Step) -> None:
    with pytest.raises(OSError) as caught:
        backend.run(step(backend.ops, odd_tree))
    assert caught.value.errno == number
    assert caught.value.strerror == os.strerror(number)


WITH_NUL: list[Step] = [
    lambda o, d: o.openat(d, b"a\0b", os.O_RDONLY),
    lambda o, d: o.openat2(d, b"a\0b", os.O_RDONLY, 0, 0),
    lambda o, d: o.lstat(d, b"a\0b"),
    lambda o, d: o.renameat(d, b"a\0b", d, b"x"),
    lambda o, d: o.renameat(d, b"x", d, b"a\0b"),
    lambda o, d: o.unlinkat(d, b"a\0b"),
    lambda o, d: o.mkdirat(d, b"a\0b", 0o700),
    lambda o, d: o.symlinkat(b"a\0b", d, b"x"),
    lambda o, d: o.symlinkat(b"x", d, b"a\0b"),
    lambda o, d: o.linkat(d, b"a\0b", d, b"x"),
    lambda o, d: o.linkat(d, b"x", d, b"a\0b"),
    lambda o, d: o.fgetxattr(d, b"a\0b"),
    lambda o, d: o.fsetxattr(d, b"a\0b", b""),
]


@pytest.mark.parametrize("step", WITH_NUL)
def test_a_name_with_a_nul_is_refused_before_the_kernel_could_cut_it(
    backend: Backend, directory: int, step: Step
) -> None:
    with pytest.raises(ValueError, match="null"):
        backend.run(step(backend.ops, directory))
    assert os.listdir(directory) == []


def test_symlinks_are_not_followed_by_lstat(backend: Backend, odd_tree: int) -> None:
    assert stat.S_ISLNK(backend.run(backend.ops.lstat(odd_tree, b"link")).st_mode)
    assert stat.S_ISLNK(backend.run(backend.ops.lstat(odd_tree, b"loop")).st_mode)


def test_call_returns_what_the_function_does(backend: Backend) -> None:
    assert backend.run(backend.ops.call(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        backend.run(backend.ops.call(divmod, 7, 0))


def test_gather_returns_results_in_order(backend: Backend, directory: int, make: Make) -> None:
    sizes = [5, 0, 9, 2, 7]
    for index, size in enumerate(sizes):
        make(b"%d" % index, b"x" * size)

    async def scenario(ops: FileOps) -> list[int]:
        found = await ops.gather([ops.lstat(directory, b"%d" % index) for index in range(len(sizes))])
        assert await ops.gather([]) == []
        return [status.st_size for status in found]

    assert backend.run(scenario(backend.ops)) == sizes


def test_gather_ends_every_coroutine_before_it_raises(backend: Backend, directory: int, make: Make) -> None:
    make(b"there", b"")
    ended: list[bytes] = []

    async def look(ops: FileOps, name: bytes) -> None:
        try:
            for _ in range(10):
                await ops.lstat(directory, name)
        finally:
            ended.append(name)

    async def scenario(ops: FileOps) -> None:
        names = [b"there", b"missing", b"there", b"there"]
        await ops.gather([look(ops, name) for name in names])

    with pytest.raises(FileNotFoundError):
        backend.run(scenario(backend.ops))
    assert sorted(ended) == [b"missing", b"there", b"there", b"there"]


def test_thousands_of_coroutines_all_get_their_own_answer(backend: Backend, directory: int, make: Make) -> None:
    for index in range(50):
        make(b"%d" % index, b"x" * index)
    wrong: list[int] = []
    ended: list[int] = []

    async def look(number: int) -> None:
        if (await backend.ops.lstat(directory, b"%d" % (number % 50))).st_size != number % 50:
            wrong.append(number)
        if number % 100 == 0:
            gc.collect()
        ended.append(number)

    backend.runner.run((look(number) for number in range(5000)), 64)
    assert not wrong
    assert sorted(ended) == list(range(5000))


def test_no_more_than_the_limit_is_in_flight(backend: Backend, directory: int) -> None:
    now = most = 0

    async def one() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await backend.ops.lstat(directory, b".")
        await backend.ops.fstat(directory)
        now -= 1

    backend.runner.run((one() for _ in range(200)), 7)
    assert most <= 7
    assert now == 0


def test_an_exception_that_escapes_is_raised_when_the_others_have_ended(backend: Backend, directory: int) -> None:
    ended: list[int] = []

    async def one(number: int) -> None:
        await backend.ops.lstat(directory, b".")
        if number == 3:
            raise KeyError(number)
        await backend.ops.fstat(directory)
        ended.append(number)

    begun = iter(range(1000))
    with pytest.raises(KeyError):
        backend.runner.run((one(number) for number in begun), 8)
    stopped_at = next(begun, 1000)
    assert stopped_at < 1000
    assert {0, 1, 2} <= set(ended)
    ended.clear()
    backend.runner.run((one(number) for number in (10, 11)), 8)  # the runner still works
    assert sorted(ended) == [10, 11]


def test_an_exception_of_the_iterator_is_raised_when_the_others_have_ended(backend: Backend, directory: int) -> None:
    ended: list[int] = []

    async def one(number: int) -> None:
        await backend.ops.lstat(directory, b".")
        ended.append(number)

    def failing() -> Any:
        yield one(1)
        yield one(2)
        raise KeyError("iterator")

    with pytest.raises(KeyError, match="iterator"):
        backend.runner.run(failing(), 8)
    assert sorted(ended) == [1, 2]
