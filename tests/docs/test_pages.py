"""Every command line that README and the documentation show does what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import mount_refusal
from support.pages import PAGES, REPOSITORY, differs, mounts, run_page, steps, told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_page(page: Path, here: bytes) -> None:
    if not steps(page):
        pytest.skip("no command lines")
    if mounts(page) and (reason := mount_refusal()):
        pytest.skip(reason)
    wrong = [told(ran, page) for ran in run_page(page, Path(here.decode())) if differs(ran)]
    assert not wrong, "\n\n".join(wrong)
