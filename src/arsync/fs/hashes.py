"""Hashes by rsync's names (--checksum-choice): of what --verify reads, and of files for %C."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

#: The hash that is used unless another is asked for: XXH3 with 128 bits, as rsync has it. It takes 0.02 s for 1 GiB,
#: the fastest of hashlib, sha1, 0.6 s. Nobody who would forge it is between a write and its reading back.
DEFAULT = "xxh128"

#: What takes its place where the package xxhash cannot be imported.
FASTEST_OF_HASHLIB = "sha1"

#: rsync's names of the hashes that the package xxhash has.
_XXHASH = {"xxh128": "xxh3_128", "xxh3": "xxh3_64", "xxh64": "xxh64", "xxhash": "xxh64"}

NewHash = Callable[[], Any]


def new_hash(choice: str) -> NewHash | None:
    """What makes the hash of rsync's name ``choice`` ("" and "auto": the default); None where this Python has none."""
    if choice in ("", "auto"):
        return _xxhash(DEFAULT) or new_hash(FASTEST_OF_HASHLIB)
    if choice in _XXHASH:
        return _xxhash(choice)
    make = partial(hashlib.new, choice, usedforsecurity=False)
    try:
        make()
    except ValueError:
        return None
    return make


def _xxhash(name: str) -> NewHash | None:
    try:
        made: NewHash = getattr(import_module("xxhash"), _XXHASH[name])
    except ImportError:
        return None
    return made
