"""The whole report, as plain values; paths are text as os.fsdecode makes it.

Its shape is docs/arsync-doctor.schema.json; a change of it is a new version.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from arsync.doctor.machine import examine_machine
from arsync.doctor.pair import examine_pair
from arsync.doctor.place import examine_place, open_place
from arsync.doctor.ring import examine_ring

#: Of the shape of the report.
VERSION = 1


def examine(paths: Sequence[bytes]) -> dict[str, Any]:
    """What works here, and from each path but the last to the last one. Leaves nothing behind."""
    places = []
    try:
        for number, path in enumerate(paths):
            role = "either" if len(paths) == 1 else "destination" if number == len(paths) - 1 else "source"
            places.append(open_place(path, role))
        found = [examine_place(place) for place in places]
        pairs = [
            examine_pair(place, places[-1], (report["writable"]["works"], found[-1]["writable"]["works"]))
            for place, report in zip(places[:-1], found)
            if place.fd >= 0 and places[-1].fd >= 0
        ]
    finally:
        for place in places:
            if place.fd >= 0:
                os.close(place.fd)
    problems = [] if os.path.isdir("/proc/self/fd") else ["/proc is not mounted here, and arsync needs it"]
    problems += [f"{report['path']}: {problem}" for report in found for problem in report["problems"]]
    return {
        "doctor": VERSION,
        **examine_machine(),
        "ok": not problems,
        "problems": problems,
        "io_uring": examine_ring(),
        "paths": found,
        "pairs": pairs,
    }
