# shellcheck shell=sh
# Sourced by deploy/up.sh, tests/run.sh and others from the repository's root: makes .venv with chargebus in it.
#
# ensure_venv run         installs what is needed to run chargebus
# ensure_venv postgresql  also installs what a site with PostgreSQL needs
# ensure_venv test        also installs what the tests need
#
# Every package is of the version and has the SHA-256 that deploy/locked/NAME.txt says (`sh deploy/lock.sh` writes it).
# Installs only when that or pyproject.toml has changed since the last time. Needs Python 3.11 or newer; PYTHON names
# one.

is_good_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
        if is_good_python "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    {
        echo "chargebus needs Python 3.11 or newer with its modules venv and ensurepip, and found none:"
        for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
            if version=$("$candidate" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null); then
                "$candidate" -c 'import venv, ensurepip' 2>/dev/null || version="$version without venv"
                echo "  $candidate is $version"
            fi
        done
        echo "Install one (on Debian 12: apt-get install python3 python3-venv), or name one with PYTHON=/path/to/python3."
    } >&2
    return 1
}

ensure_venv() {
    packages=deploy/locked/$1.txt
    if ! .venv/bin/python -c '' >/dev/null 2>&1; then
        python=$(find_python) || return 5
        echo "making .venv with $python"
        rm -rf .venv
        "$python" -m venv .venv || return 5
    fi
    # The tests' packages are a superset of all the others.
    for stamp in "$1" test; do
        wanted=$(cat pyproject.toml "deploy/locked/$stamp.txt" | cksum)
        if [ -f ".venv/.installed-$stamp" ] && [ "$(cat ".venv/.installed-$stamp")" = "$wanted" ]; then
            return 0
        fi
    done
    echo "installing chargebus and the packages of $packages into .venv (a minute the first time)"
    pip_install --require-hashes --requirement "$packages" || return 5
    pip_install --no-deps --no-build-isolation --editable . || return 5
    cat pyproject.toml "$packages" | cksum >".venv/.installed-$1"
}

pip_install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}
