# shellcheck shell=sh
# Sourced by deploy/up.sh and tests/run.sh from the repository's root: makes .venv with chargebus in it.
#
# ensure_venv ""        installs what is needed to run chargebus
# ensure_venv "[test]"  also installs what its tests need
#
# Installs only when pyproject.toml has changed since the last time. Needs Python 3.11 or newer; PYTHON names one.

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
    extras=$1
    if ! .venv/bin/python -c '' >/dev/null 2>&1; then
        python=$(find_python) || return 5
        echo "making .venv with $python"
        rm -rf .venv
        "$python" -m venv .venv || return 5
    fi
    wanted=$(cksum <pyproject.toml)
    for stamp in ".venv/.installed$extras" ".venv/.installed[test]"; do
        if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
            return 0
        fi
    done
    echo "installing chargebus$extras into .venv (a minute the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extras" || return 5
    echo "$wanted" >".venv/.installed$extras"
}
