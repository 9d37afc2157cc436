#!/bin/sh
# Which lines and branches the tests reach, in every process that a run has: sh tests/coverage.sh [pytest arguments]
# PYTHON: an interpreter that has what the tests need, and coverage. FAIL_UNDER=90 makes it fail where less than 90 % of the
# engine and the file operations are reached. Without arguments it runs what reaches most of them in the least time,
# which is what CI does after the tests themselves; "sh tests/coverage.sh tests" runs everything, three times as slow as
# without counting. A test that the counting gets in the way of (a limit of a process, a place where nobody may write)
# fails here without a meaning; tests/run.sh is what judges.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
data=$(mktemp -d "$(test -w /dev/shm && echo /dev/shm || echo /tmp)/coverage.XXXXXX")
trap 'rm -rf "$data"' EXIT
chmod 1777 "$data"  # some runs are an ordinary user's
export COVERAGE_FILE="$data/coverage"
if [ $# = 0 ]; then
    set -- -m "not hypothesis" --ignore=tests/faults/test_crashes.py tests/fs tests/engine tests/faults
    for topic in altdest arguments backup default_acl delete delete_backup everything existing inplace lock many_links \
        symlinks unchanged verify; do
        set -- "$@" "tests/e2e/test_$topic.py"
    done
fi
"$python" -m coverage run -m pytest -q "$@" || echo "coverage.sh: some tests failed while they were watched" >&2
"$python" -m coverage combine -q
core="*/arsync/engine/*,*/arsync/fs/*"
left_out=""
if ! "$python" -c "import sys; from arsync.fs import open_ring; sys.exit(open_ring(8)[0] is None)"; then
    echo "coverage.sh: io_uring is refused here: what only a ring runs is left out" >&2
    left_out="--omit=*/fs/ring.py,*/fs/uring.py,*/fs/uring_base.py,*/fs/loop.py,*/fs/setup.py,*/fs/binding.py"
fi
# shellcheck disable=SC2086
"$python" -m coverage report --precision=1 --include="$core" $left_out --fail-under="${FAIL_UNDER:-0}" ${COVERAGE_REPORT:-}
