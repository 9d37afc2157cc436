"""The C functions of liburing: the one place that knows the ``liburing`` package, or else the system's library.

The package is a Python extension with the whole C library inside and all of its functions exported. Its Python
interface cannot take names that are not UTF-8, exact times or parts of buffers, so only the C functions are used,
through ctypes, and the extension itself is never initialised (which also saves importing ``enum``).

Each function exists twice: called with the GIL held, for what returns at once, and with the GIL released, for what may
wait. ctypes is imported when a ring is first asked for.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import sys
from functools import cache
from typing import Any, NamedTuple

#: ``struct io_uring`` of liburing 2.x: its size and the offsets that are read here. The self-test of a new ring
#: (arsync.fs.setup) fails where they do not hold.
SIZEOF_IO_URING = 216
SQ_KHEAD = 0
SQ_SQES = 56
SQ_SQE_TAIL = 68
SQ_RING_ENTRIES = 92
CQ_KHEAD = 104
CQ_KTAIL = 112
CQ_CQES = 104 + 48
CQ_RING_ENTRIES = 104 + 76

#: io_uring_submit_and_get_events came with 2.2, the filled index array of the submission queue with 2.4.
_OLDEST = (2, 4)

#: What distributions have of the same library, with its inline functions as functions: used where there is no package,
#: as from a .deb, an .rpm or the single file.
_SYSTEM = "liburing-ffi.so.2"

_HELD = {
    "io_uring_queue_init_params": "UPP",
    "io_uring_queue_exit": "P",
    "io_uring_submit_and_get_events": "P",
    "io_uring_register_iowq_max_workers": "PP",
    "io_uring_register_iowq_aff": "PZP",
    "io_uring_get_probe_ring": "P",
    "io_uring_free_probe": "P",
    "io_uring_opcode_supported": "Pi",
    "io_uring_major_version": "",
    "io_uring_minor_version": "",
}
_RELEASED = {"io_uring_submit_and_wait": "PU", "io_uring_register_sync_cancel": "PP"}


class Refusal(NamedTuple):
    """Why there is no ring here; shown to people, never an error."""

    reason: str


class RefusedError(Exception):
    """A ring was asked for where there is none; its text is the reason."""


class Library(NamedTuple):
    """The functions of liburing, each returning a negative errno on failure, and what ctypes offers beside them."""

    ctypes: Any
    #: called with the GIL held
    held: Any
    #: called with the GIL released
    released: Any
    #: the class of ``Py_buffer`` objects
    py_buffer: Any

    def read_only(self, buf: Any) -> tuple[int, Any]:
        """The address of a buffer that may be read-only or empty, and what keeps its bytes in place while held."""
        view = self.py_buffer()
        self.ctypes.pythonapi.PyObject_GetBuffer(self.ctypes.py_object(buf), self.ctypes.byref(view), 0)
        return view.buf or 0, view


@cache
def load() -> Library | Refusal:
    """The library, or why it cannot be used in this process."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        # Completions are read from shared memory without barriers, which x86-64's ordering of loads and stores allows.
        return Refusal(f"not supported on {sys.platform} {platform.machine()}")
    if sys.implementation.name != "cpython":
        return Refusal(f"not supported by {sys.implementation.name}")
    try:
        path = _find()
    except (ImportError, ValueError, OSError) as error:
        return Refusal(f"liburing cannot be imported: {error}")
    try:
        import ctypes

        if path is None:
            try:
                ctypes.CDLL(path := _SYSTEM)
            except OSError:
                return Refusal("liburing is not installed")
        library = Library(ctypes, ctypes.PyDLL(path), ctypes.CDLL(path), _py_buffer(ctypes))
        _declare(ctypes, library.held, _HELD)
        _declare(ctypes, library.released, _RELEASED)
    except (ImportError, OSError, AttributeError) as error:
        return Refusal(f"liburing cannot be used: {error}")
    if not _bytes_are_behind_header(ctypes):
        return Refusal("this Python's bytes objects are laid out in another way")
    version = library.held.io_uring_major_version(), library.held.io_uring_minor_version()
    if version < _OLDEST or version[0] != _OLDEST[0]:
        return Refusal(f"liburing is version {version[0]}.{version[1]}, not 2.4 or a later 2.x")
    return library


def _find() -> str | None:
    """The path of the extension module, without running any of it."""
    package = importlib.util.find_spec("liburing")
    if package is None or not package.submodule_search_locations:
        return None
    for directory in package.submodule_search_locations:
        for entry in sorted(os.listdir(directory)):
            if entry.startswith("liburing.") and entry.endswith(".so"):
                return os.path.join(directory, entry)
    return None


def _py_buffer(ctypes: Any) -> Any:
    """The C structure of the buffer protocol, which gives the buffer back when it is collected."""

    class PyBuffer(ctypes.Structure):  # type: ignore[misc]
        _fields_ = (
            ("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t),
            ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int), ("ndim", ctypes.c_int),
            ("format", ctypes.c_void_p), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
            ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p),
        )  # fmt: skip

        def __del__(self, release: Any = ctypes.pythonapi.PyBuffer_Release, byref: Any = ctypes.byref) -> None:
            release(byref(self))

    return PyBuffer


def _bytes_are_behind_header(ctypes: Any) -> bool:
    """Whether the bytes of a bytes object lie where arsync.fs.uring takes them to be."""
    address = ctypes.pythonapi.PyBytes_AsString
    address.argtypes, address.restype = [ctypes.py_object], ctypes.c_void_p
    return all(address(name) == id(name) + bytes.__basicsize__ - 1 for name in (b"", b"a name", bytes(100)))


def _declare(ctypes: Any, library: Any, functions: dict[str, str]) -> None:
    """Set the argument types of functions; raises AttributeError where one does not exist."""
    kinds = {"P": ctypes.c_void_p, "U": ctypes.c_uint, "i": ctypes.c_int, "Z": ctypes.c_size_t}
    for name, arguments in functions.items():
        function = getattr(library, name)
        function.argtypes = [kinds[kind] for kind in arguments]
        function.restype = ctypes.c_void_p if name == "io_uring_get_probe_ring" else ctypes.c_int


def refusal(error: int) -> Refusal:
    """The reason that io_uring_setup(2)'s errno gives."""
    reasons = {
        errno.EPERM: "not permitted here (seccomp, or the sysctl kernel.io_uring_disabled)",
        errno.EACCES: "not permitted here (a security module)",
        errno.ENOSYS: "this kernel has none",
        errno.EINVAL: "this kernel's is too old",
        errno.ENOMEM: "not enough memory may be locked (RLIMIT_MEMLOCK)",
        errno.EMFILE: "no descriptor is free",
        errno.ENFILE: "no descriptor is free",
    }
    return Refusal(reasons.get(error, os.strerror(error)))
