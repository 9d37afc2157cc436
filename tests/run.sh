#!/bin/sh
# Installs what the tests need and runs them: sh tests/run.sh [pytest arguments]
# PYTHON chooses the interpreter, VENV where the virtual environment goes (a new one each time by default).
set -eu
cd "$(dirname "$0")/.."

packages="rsync acl attr xfsprogs btrfs-progs e2fsprogs dosfstools libcap2-bin util-linux mount gcc libc6-dev pkg-config libfuse3-dev fuse3 strace procps man-db groff-base mandoc zsh fish rpm jq systemd"
missing=""
for package in $packages; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    if command -v apt-get >/dev/null && { [ -z "$sudo" ] || $sudo true 2>/dev/null; }; then
        $sudo apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        echo "not installed, tests that need them are skipped:$missing" >&2
    fi
fi

venv=${VENV:-$(mktemp -d)/venv}
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check ".[test]"
exec "$venv/bin/python" -m pytest "$@"
