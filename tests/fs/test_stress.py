"""The ring layer against use after free: tests/fs/stress.py in short, or for ARSYNC_STRESS seconds each.

``ARSYNC_STRESS=60 python -m pytest tests/fs/test_stress.py`` takes nine minutes; each run draws other chances, which a
failure names.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fs.stress import SCENARIOS

SECONDS = float(os.environ.get("ARSYNC_STRESS", "1"))
SEED = random.SystemRandom().randrange(1 << 32) if "ARSYNC_STRESS" in os.environ else 1


@pytest.mark.needs_ring
@pytest.mark.timeout(300 + 4 * SECONDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_used_after_it_was_freed(scenario: str) -> None:
    script = Path(__file__).with_name("stress.py")
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", os.defpath)}
    done = subprocess.run(
        # Coroutines that never began are given up by design; an exception in a destructor would be a defect.
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-W",
            "ignore::RuntimeWarning",
            script,
            scenario,
            str(SECONDS),
            str(SEED),
        ],
        env=path | {"PYTHONMALLOC": "debug"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"seed {SEED}: {done.stdout}"
    print(done.stdout)
