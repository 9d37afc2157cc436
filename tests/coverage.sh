#!/bin/sh
# Which lines and branches the tests reach, in every process that a run has: sh tests/coverage.sh [pytest arguments]
# PYTHON: an interpreter that has what the tests need, and coverage. A test that the counting gets in the way of
# (a limit of a process, a place where nobody may write) fails here without a meaning; tests/run.sh is what judges.
# It says how much of the engine and the file operations is reached. No share is demanded, since none has been measured over the
# whole suite yet; FAIL_UNDER=90 makes it fail below 90 %.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
chmod 1777 "$data"  # some runs are an ordinary user's
export COVERAGE_FILE="$data/coverage"
"$python" -m coverage run -m pytest -q "$@" || echo "coverage.sh: some tests failed while they were watched" >&2
"$python" -m coverage combine -q
for part in fs options engine filters ui doctor api cli; do
    "$python" -m coverage report --include="*/arsync/$part/*" ${COVERAGE_REPORT:-}
done
core="*/arsync/engine/*,*/arsync/fs/*"
echo "engine and fs: $("$python" -m coverage report --format=total --precision=1 --include="$core") %"
"$python" -m coverage report --format=total --include="$core" --fail-under="${FAIL_UNDER:-0}" >/dev/null
