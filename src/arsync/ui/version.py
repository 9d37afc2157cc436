"""``--version`` and ``-VV``: what this arsync can do, in the shape of rsync's."""

from __future__ import annotations

import json
import platform
import sys
from typing import Any

from arsync import __version__

_COPYRIGHT = "The arsync authors"
_LICENSE = "MIT"
_CAVEAT = "arsync comes with ABSOLUTELY NO WARRANTY"

#: Columns of a line of the text.
_WIDTH = 79


def _capabilities() -> dict[str, Any]:
    """rsync's names for what a build of it may have, as far as it means something here, and what it has for arsync."""
    return {
        "file_bits": 64,
        "inum_bits": 64,
        "timestamp_bits": 64,
        "long_int_bits": 64,
        "socketpairs": True,
        "symlinks": True,
        "symtimes": True,
        "hardlinks": True,
        "hardlink_specials": True,
        "hardlink_symlinks": True,
        "IPv6": False,
        "atimes": True,
        "batchfiles": False,
        "inplace": True,
        "append": True,
        "ACLs": True,
        "ACL_at": True,
        "xattrs": True,
        "secluded_args": False,
        "iconv": False,
        "prealloc": True,
        "stop_at": True,
        "crtimes": False,
    }


def _optimizations() -> dict[str, Any]:
    """How files are copied here."""
    from arsync.fs import open_ring

    ring, _ = open_ring(1)
    if ring is not None:
        ring.close()
    return {
        "io_uring": ring is not None,
        "reflink": True,
        "copy_file_range": True,
        "worker_processes": True,
    }


def _checksums() -> list[str]:
    """What --checksum-choice may name for %C and --verify; -c needs none."""
    from arsync.fs.verify import new_hash

    names = ("xxh128", "xxh3", "xxh64", "md5", "md4", "sha1")
    return [*(name for name in names if new_hash(name) is not None), "none"]


def version_text() -> str:
    """What --version prints."""
    return "\n".join(
        [
            f"arsync  version {__version__}  no protocol: local copies only",
            f"Python {platform.python_version()} on {platform.system()} {platform.release()}",
            "Capabilities:",
            *_folded(_capabilities()),
            "Optimizations:",
            *_folded(_optimizations()),
            "Checksum list:",
            "    " + " ".join(_checksums()),
            "",
            f"{_CAVEAT}.  It is free software under the {_LICENSE} license.",
            "",
        ]
    )


def version_json() -> str:
    """What -VV prints: the members that ``rsync -VV`` has."""
    return (
        json.dumps(
            {
                "program": "arsync",
                "version": __version__,
                "protocol": None,
                "copyright": f"(C) {_COPYRIGHT}",
                "python": platform.python_version(),
                "platform": sys.platform,
                "capabilities": _capabilities(),
                "optimizations": _optimizations(),
                "checksum_list": _checksums(),
                "compress_list": ["none"],
                "daemon_auth_list": [],
                "license": _LICENSE,
                "caveat": _CAVEAT,
            },
            indent=2,
        )
        + "\n"
    )


def _folded(items: dict[str, Any]) -> list[str]:
    """The names on lines of limited width; what is not there with a "no" before it."""
    words = [_word(name, value) for name, value in items.items()]
    lines = ["   "]
    for number, word in enumerate(words):
        word += "," if number < len(words) - 1 else ""
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("   ")
        lines[-1] += " " + word
    return lines


def _word(name: str, value: Any) -> str:
    if name.endswith("_bits"):
        names = {"file": "files", "inum": "inums", "timestamp": "timestamps", "long_int": "long ints"}
        return f"{value}-bit {names[name.removesuffix('_bits')]}"
    shown = name.replace("_", "-")
    return shown if value else f"no {shown}"
