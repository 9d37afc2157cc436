#!/bin/sh
# Which lines and branches the tests reach, in every process that a run has: sh tests/coverage.sh [pytest arguments]
# PYTHON: an interpreter that has what the tests need, and coverage. A test that the counting gets in the way of
# (a limit of a process, a place where nobody may write) fails here without a meaning; tests/run.sh is what judges.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
chmod 1777 "$data"  # some runs are an ordinary user's
export COVERAGE_FILE="$data/coverage"
"$python" -m coverage run -m pytest -q "$@" || echo "coverage.sh: some tests failed while they were watched" >&2
"$python" -m coverage combine -q
for part in engine fs filters cli ui; do
    "$python" -m coverage report --include="*/arsync/$part/*" ${COVERAGE_REPORT:-}
done
"$python" -m coverage report --format=total --include="*/arsync/engine/*,*/arsync/fs/*" --fail-under="${FAIL_UNDER:-90}"
