"""Whether everything is there for a release: ``python .ci/release.py TAG``. Says what is not, and exits with 1."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "packages"))

from tree import TOP, version


def missing(tag: str, version: str, changelog: str, fragments: list[str]) -> Iterator[str]:
    """What has to be done before ``tag`` can be released."""
    if tag != f"v{version}":
        yield f"the tag is {tag}, and src/arsync/__init__.py says {version}: the tag has to be v{version}"
    first = re.search(r"^## (\S+) \((.+)\)$", changelog, re.MULTILINE)
    if first is None or first[1] != version:
        yield f"docs/changelog.md does not begin with {version}: towncrier build --version {version}"
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", first[2]):
        yield f"docs/changelog.md does not say when {version} was released: ({first[2]}) has to be a day"
    if fragments:
        yield f"not in docs/changelog.md yet: {', '.join(fragments)}"


def main() -> None:
    """Look at this checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag")
    given = parser.parse_args()
    fragments = sorted(path.name for path in (TOP / "docs/changelog.d").glob("*.md"))
    found = list(missing(given.tag, version(), (TOP / "docs/changelog.md").read_text(), fragments))
    for line in found:
        print(line, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
