#!/bin/sh
# Write the lock files and the bill of materials again, from what pyproject.toml asks for.
#
# usage: sh deploy/lock.sh               keep the versions that are locked and pyproject.toml still allows
#        sh deploy/lock.sh --upgrade     take the newest ones that it allows
#
# deploy/locked/NAME.txt lists every package with its version and the SHA-256 of each of its files, for Python 3.11 and
# newer on any system: run.txt for `sh deploy/up.sh`, postgresql.txt for images and servers, test.txt for the tests.
# deploy/sbom.cdx.json is the bill of materials of an installation from postgresql.txt (CycloneDX), with licences.
# Needs the network. Exit code: 0 written, anything else not.

set -eu
cd "$(dirname "$0")/.."
UV=0.13.9 CYCLONEDX=7.5.0 # the tools themselves

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. deploy/venv.sh
python=$(find_python)
"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV" "cyclonedx-bom==$CYCLONEDX"

# What installs chargebus itself, without the network: pyproject.toml's build system, and what editable installs need.
printf '%s\n' "hatchling>=1.24" "editables>=0.5" >"$work/build.in"

# lock NAME [OPTION…]
lock() {
    name=$1
    shift
    "$work/tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-header --no-emit-index-url "$@" --output-file "deploy/locked/$name.txt" pyproject.toml "$work/build.in"
    echo "locked $(grep -c == "deploy/locked/$name.txt") packages in deploy/locked/$name.txt"
}

# The tests' versions are everybody's, so that what is tested is what runs.
lock test --extra test "$@"
lock postgresql --extra postgresql --constraints deploy/locked/test.txt
lock run --constraints deploy/locked/test.txt

"$python" -m venv --without-pip "$work/installed"
"$work/tools/bin/python" -m pip --python "$work/installed/bin/python" install --quiet --disable-pip-version-check \
    --require-hashes --requirement deploy/locked/postgresql.txt
"$work/tools/bin/cyclonedx-py" environment --output-reproducible --pyproject pyproject.toml --mc-type application \
    --output-file deploy/sbom.cdx.json "$work/installed/bin/python"
echo "wrote deploy/sbom.cdx.json"
