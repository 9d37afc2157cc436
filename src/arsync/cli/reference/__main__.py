"""Prints or installs what is made from the option table; docs/options.md without an option."""

from __future__ import annotations

import argparse
import sys

from arsync.cli.reference.install import WRITERS, install_tree
from arsync.cli.reference.markdown import page


def main() -> None:
    """Print one of them, or write all that a package installs."""
    parser = argparse.ArgumentParser(
        prog="python -m arsync.cli.reference", description="Without an option: the page docs/options.md."
    )
    one = parser.add_mutually_exclusive_group()
    for name, writer in WRITERS.items():
        one.add_argument(f"--{name}", action="store_const", const=writer, dest="writer", help=f"print {writer.what}")
    one.add_argument("--install-tree", metavar="PREFIX", help="write them to PREFIX/share, as a package has them")
    given = parser.parse_args()
    if given.install_tree is not None:
        for path in install_tree(given.install_tree):
            print(path)
    else:
        lines = page() if given.writer is None else given.writer.lines()
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
