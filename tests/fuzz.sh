#!/bin/sh
# Draws trees and options at random and compares with rsync, for an hour: sh tests/fuzz.sh [MINUTES [pytest arguments]]
# Run where the tests can run already (PYTHON: the interpreter that has them); stops at the first disagreement.
set -eu
cd "$(dirname "$0")/.."
end=$(($(date +%s) + ${1:-60} * 60))
[ $# = 0 ] || shift
while [ "$(date +%s)" -lt "$end" ]; do
    "${PYTHON:-python3}" -m pytest -q -x -m hypothesis --hypothesis-profile=explore --timeout=0 "$@"
done
