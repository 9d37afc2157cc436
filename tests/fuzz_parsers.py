"""Looks for input that breaks a parser, guided by which branches it reaches:

    pip install atheris && python tests/fuzz_parsers.py PARSER [CORPUS] [-max_total_time=SECONDS]

PARSER is one of tests/support/parsers.py, CORPUS a directory in which what reaches something new is kept. The flags are
libFuzzer's. A defect ends it with a traceback and a file crash-*; an input that takes longer than 5 seconds, too.
tests/cli/test_parsers.py draws input for the same parsers in each test run, without a guide.
"""

import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]
with atheris.instrument_imports(include=["arsync"]):
    from support.parsers import PARSERS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in PARSERS:
        sys.exit(f"usage: fuzz_parsers.py {{{','.join(PARSERS)}}} [CORPUS] [-max_total_time=SECONDS]")
    parser = PARSERS[sys.argv.pop(1)]
    atheris.Setup([*sys.argv, "-timeout=5", "-max_len=4096"], parser)
    atheris.Fuzz()


main()
