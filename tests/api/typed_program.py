"""A program as others would write it, for the type checker: what is wrong in it is marked, and must be found."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import arsync
from arsync.fs import AT_FDCWD, FileOps, Files, StatResult, copy_data, open_fileops, replace_file


def on_item(item: arsync.Item) -> None:
    path: bytes = item.path
    print(os.fsdecode(path), item.kind, item.action, item.size)
    if item.action == "copyed":  # type: ignore[comparison-overlap]
        return


def copies() -> arsync.CopyResult:
    options: arsync.CopyOptions = {"archive": True, "exclude": ["*.o", b"\xff"], "max_size": "1G"}
    arsync.copy([Path("a"), "b/"], b"c", on_item=on_item, **options).raise_for_errors()
    arsync.copy("a/", "b", delete="after", link_dest=[Path("x")], xattrs=2, workers=2, io_engine="plain")
    arsync.copy("a/", "b", archive="yes")  # type: ignore[arg-type]
    arsync.copy("a/", "b", archiv=True)  # type: ignore[call-arg]
    arsync.copy("a/", "b", delete="never")  # type: ignore[arg-type]
    arsync.copy("a/", "b", on_progress=on_item)  # type: ignore[arg-type]
    result = arsync.copy("a/", "b", archive=True, on_progress=lambda now: print(now.done, now.found))
    error: arsync.FileError
    for error in result.errors:
        print(error.errno, error.message)
    files: int = result.created.files
    print(files, result.exit_code is arsync.ExitCode.OK, result.vanished[0].decode())
    return result


async def waits() -> bool:
    try:
        return (await arsync.acopy("a/", "b", archive=True)).ok
    except arsync.FatalError as error:
        return error.code is arsync.ExitCode.FILE_SELECT


async def size(ops: FileOps, name: bytes) -> int:
    st: StatResult = await ops.lstat(AT_FDCWD, name)
    await ops.lstat(AT_FDCWD, "text")  # type: ignore[arg-type]
    return st.st_size


async def replace(ops: FileOps, src: int, dir_fd: int) -> None:
    async def fill(fd: int) -> None:
        await copy_data(ops, src, fd)

    await replace_file(ops, dir_fd, b"name", fill)


def operations() -> list[int]:
    files: Files
    with open_fileops(in_flight=8) as files:
        one: int = files.run(size, b"name")
        files.run(replace, 3, 4)
        files.run(replace, 3)  # type: ignore[call-arg]
        return [one, *files.map(size, [b"a", b"b"])]


if __name__ == "__main__":
    print(copies(), asyncio.run(waits()), operations())
