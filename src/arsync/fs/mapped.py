"""Writing straight from a mapped source (--copy-method=mmap).

Only the kernel touches the pages, so that a source that shrinks is a short write or EFAULT, never SIGBUS.
"""

from __future__ import annotations

import errno
import mmap

from arsync.fs.blocks import WriteError, write_all
from arsync.fs.protocol import FileOps


async def write_mapped(ops: FileOps, src: int, dst: int, start: int, length: int) -> bool:
    """Write one mapped range; False where that was not possible, some of it may be written then."""
    try:
        pages = mmap.mmap(src, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=start)
    except (OSError, ValueError):  # it cannot be mapped, or (ValueError) it has shrunk
        return False
    try:
        # The mapping ends with the last reference to it: closing it fails while an error's traceback holds one.
        await write_all(ops, dst, memoryview(pages), start)
    except WriteError as error:
        if error.errno == errno.EFAULT:
            return False
        raise
    return True
