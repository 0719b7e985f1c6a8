#!/bin/sh
# Build MicroPython's unix port from Debian's source, for the tests that run the charger's app under MicroPython.
#
# usage: sh firmware/build_micropython_unix.sh [OUTPUT]
#
# OUTPUT is where the program goes; default: firmware/build/micropython. Nothing is done if it is there already.
# Environment:
#   MICROPYTHON_TAR   an unpacked or packed source is not fetched: the orig tar of Debian's package micropython
#   MICROPYTHON_DEBIAN_TAR  and its debian tar
#   USER_C_MODULES    folder of C modules to compile in, as MicroPython's make takes it
# Needs gcc, make, pkg-config, libffi-dev, xz, patch, python3; to fetch: apt-get with Debian's archive and keyring. The
# system's own package lists are not touched. Exit code: 0 built, 1 not; 3 something needed is missing.

set -eu
cd "$(dirname "$0")/.."
output=${1:-firmware/build/micropython}
SUITE=trixie # the first one whose package is 1.25

die() {
    echo "build_micropython_unix.sh: $1" >&2
    exit "${2:-1}"
}

[ -x "$output" ] && { echo "$output is there"; exit 0; }
for tool in gcc make pkg-config xz patch python3; do
    command -v "$tool" >/dev/null || die "$tool is missing" 3
done
pkg-config --exists libffi || die "libffi-dev is missing" 3

work=$(mktemp -d "${TMPDIR:-/tmp}/micropython-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# fetch: download the source package with lists and cache of its own.
fetch() {
    command -v apt-get >/dev/null || die "there is no apt-get to fetch the source with; set MICROPYTHON_TAR" 3
    archive=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' | grep -v security | sort -u | head -n 1)
    [ -n "$archive" ] || die "apt knows no Debian archive (apt-get update?); set MICROPYTHON_TAR" 3
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts" "$work/fetched"
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$archive" "$SUITE" \
        /usr/share/keyrings/debian-archive-keyring.gpg >"$work/parts/source.sources"
    printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\nDir::State::lists "%s";\nDir::Cache "%s";\n' \
        "$work/parts" "$work/lists" "$work/cache" >"$work/apt.conf"
    # As another user apt could not read the work folder.
    printf 'APT::Sandbox::User "root";\nAcquire::Retries "3";\n' >>"$work/apt.conf"
    (
        export APT_CONFIG="$work/apt.conf"
        apt-get -q update
        cd "$work/fetched" && apt-get -q source --download-only micropython
    ) || die "the source package could not be fetched"
    MICROPYTHON_TAR=$(ls "$work"/fetched/*.orig.tar.xz)
    MICROPYTHON_DEBIAN_TAR=$(ls "$work"/fetched/*.debian.tar.xz)
}

[ -n "${MICROPYTHON_TAR:-}" ] || fetch
mkdir "$work/source"
tar -C "$work/source" --strip-components=1 -xf "$MICROPYTHON_TAR"
tar -C "$work/source" -xf "$MICROPYTHON_DEBIAN_TAR"
# The tar has no submodules and no git; these three of Debian's patches let it build without them.
for number in 0001 0004 0007; do
    patch -s -d "$work/source" -p1 <"$(ls "$work/source/debian/patches/$number"-*.patch)"
done

# Only asyncio is frozen: the standard manifest wants micropython-lib, which the tar lacks.
printf 'include("$(MPY_DIR)/extmod/asyncio")\n' >"$work/manifest.py"
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
{
    make -C "$work/source/mpy-cross" -j"$jobs" &&
        make -C "$work/source/ports/unix" -j"$jobs" FROZEN_MANIFEST="$work/manifest.py" \
            MICROPY_PY_BTREE=0 MICROPY_SSL_AXTLS=0 MICROPY_PY_SSL=0 ${USER_C_MODULES:+USER_C_MODULES="$USER_C_MODULES"}
} >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    die "the build has failed"
}

mkdir -p "$(dirname "$output")"
cp "$work/source/ports/unix/build-standard/micropython" "$output.new"
mv "$output.new" "$output"
"$output" -c 'import sys; print("built", sys.implementation)'
