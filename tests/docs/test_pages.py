"""Every command line that README and the documentation show does what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import missing, mount_refusal
from support.pages import PAGES, REPOSITORY, differs, mounts, run_page, silent, steps, told

#: What the pages use that not every machine has.
TOOLS = ("rsync", "setfattr", "pkill", "flock", "jq", "sha256sum")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if steps(page)], ids=lambda page: str(page.relative_to(REPOSITORY))
)
def test_page(page: Path, here: bytes) -> None:
    used = [tool for tool in TOOLS if any(re.search(rf"(?<![\w-]){tool} ", step.command) for step in steps(page))]
    if reason := missing(*used) or (mount_refusal() if mounts(page) else ""):
        pytest.skip(reason)
    wrong = [told(ran, page) for ran in run_page(page, Path(here.decode())) if differs(ran)]
    assert not wrong, "\n\n".join(wrong)


def test_every_block_is_run_or_says_why() -> None:
    assert [wrong for page in PAGES for wrong in silent(page)] == []


def test_every_page_with_python_is_run() -> None:
    """By test_docs_python.py."""
    pages = {str(page.relative_to(REPOSITORY)) for page in PAGES if "```python" in page.read_text()}
    assert pages == {"README.md", "docs/fs.md", "docs/json.md", "docs/python.md"}
