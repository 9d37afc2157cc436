"""Setting up an io_uring, or finding out why there cannot be one. "Cannot here" is a value."""

from __future__ import annotations

import errno
import struct
from typing import Any

from arsync.fs import binding
from arsync.fs.binding import Refusal
from arsync.fs.ring import SQE, Ring

_SETUP_CQSIZE = 1 << 3
_SETUP_CLAMP = 1 << 4
_SETUP_SUBMIT_ALL = 1 << 7
_SETUP_COOP_TASKRUN = 1 << 8
_SETUP_SINGLE_ISSUER = 1 << 12
_SETUP_DEFER_TASKRUN = 1 << 13

#: Tried in this order: completions are worked off only when this thread asks for them (Linux 6.1), without
#: interrupting it (5.19), or as ever.
_FLAGS = (
    _SETUP_SINGLE_ISSUER | _SETUP_DEFER_TASKRUN | _SETUP_COOP_TASKRUN | _SETUP_SUBMIT_ALL,
    _SETUP_COOP_TASKRUN | _SETUP_SUBMIT_ALL,
    0,
)

#: struct io_uring_params: sq_entries, cq_entries, flags; the rest is filled by the kernel.
_PARAMS = struct.Struct("<III108x")

#: A ring smaller than this is not worth having: set-up is retried with half the entries down to it.
FEWEST_ENTRIES = 8

#: Completions that may be outstanding for each entry of the submission queue: files in flight, and their lanes.
_CQ_FACTOR = 4

_IORING_OP_NOP = 0


def set_up(entries: int, *, workers: int = 0, cpus: frozenset[int] = frozenset()) -> Ring | Refusal:
    """A ring of at least ``entries`` (fewer where memory is short) that has passed a self-test, or why there is none.

    ``workers``: how many operations that block may run at once in kernel threads; 0 leaves the kernel's default.
    ``cpus``: where those threads may run (before Linux 6.2; since then see arsync.fs.cpus.on_every_cpu).
    """
    library = binding.load()
    if isinstance(library, Refusal):
        return library
    while (made := _queue_init(library, entries)) == errno.ENOMEM and entries > FEWEST_ENTRIES:
        entries //= 2
    if isinstance(made, int):
        return binding.refusal(made)
    ring = Ring(library, made)
    failure = _self_test(ring)
    if failure is not None:
        ring.close()
        return failure
    ring.configure(workers, cpus)
    return ring


def _queue_init(library: binding.Library, entries: int) -> Any:
    """A ``struct io_uring`` that has been set up, or the errno."""
    c = library.ctypes
    memory = c.create_string_buffer(binding.SIZEOF_IO_URING)
    result = 0
    for flags in _FLAGS:
        params = c.create_string_buffer(
            _PARAMS.pack(0, entries * _CQ_FACTOR, flags | _SETUP_CQSIZE | _SETUP_CLAMP), _PARAMS.size
        )
        c.memset(memory, 0, binding.SIZEOF_IO_URING)
        result = library.held.io_uring_queue_init_params(entries, c.addressof(memory), c.addressof(params))
        if result == 0:
            return memory
        if result != -errno.EINVAL:
            break
    return -result


def _self_test(ring: Ring) -> Refusal | None:
    """One NOP there and back: finds a filtered io_uring_enter(2), and a library of another layout."""
    SQE.pack_into(ring.sqes, 0, _IORING_OP_NOP, 0, 0, -1, 0, 0, 0, 0, 0)
    ring.tail = 1
    try:
        ring.wait(1)
    except OSError as error:
        ring.tail = 0
        return binding.refusal(error.errno or 0)
    return None if ring.reap() == [(0, 0)] else Refusal("its self-test failed")
