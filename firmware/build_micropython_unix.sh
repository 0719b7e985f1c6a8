#!/bin/sh
# Build MicroPython's unix port from Debian's source, with cp_pwm compiled in and the charger's app frozen.
#
# usage: sh firmware/build_micropython_unix.sh [OUTPUT]
#        sh firmware/build_micropython_unix.sh --check [OUTPUT]
#        sh firmware/build_micropython_unix.sh --stamp
#
# OUTPUT is where the program goes; default: firmware/build/micropython. Nothing is done if it is there and made from
# what cp_pwm, the app and the boards are now; else only what has changed is compiled. --check says whether it is so
# (exit code 0) or not (1) and builds nothing; --stamp prints what OUTPUT.stamp must say for it.
# Environment:
#   MICROPYTHON_TAR   an unpacked or packed source is not fetched: the orig tar of Debian's package micropython
#   MICROPYTHON_DEBIAN_TAR  and its debian tar
#   MICROPYTHON_WORK  where source and objects are kept; default: firmware/build/micropython-unix
# Needs gcc, make, pkg-config, libffi-dev, libmbedtls-dev, xz, patch, python3; to fetch: apt-get with Debian's archive and keyring. The
# system's own package lists are not touched. Exit code: 0 built, 1 not; 3 something needed is missing.

set -eu
cd "$(dirname "$0")/.."
check=""
[ "${1:-}" != --check ] || { check=yes; shift; }
output=${1:-firmware/build/micropython}
kept=${MICROPYTHON_WORK:-firmware/build/micropython-unix}
SUITE=trixie # the first one whose package is 1.25

die() {
    echo "build_micropython_unix.sh: $1" >&2
    exit "${2:-1}"
}

command -v python3 >/dev/null || die "python3 is missing" 3

# What the program is made from, as one number.
stamp() {
    python3 - <<'END'
import hashlib
from pathlib import Path

firmware = Path("firmware")
cp_pwm = firmware / "cp_pwm"
paths = [firmware / "build_micropython_unix.sh", firmware / "manifest.py", firmware / "__init__.py"]
paths += [cp_pwm / "micropython.mk", *cp_pwm.rglob("*.[ch]"), *firmware.glob("app/**/*.py"), *firmware.glob("boards/**/*.py")]
digest = hashlib.sha256()
for path in sorted(paths):
    digest.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
print(digest.hexdigest())
END
}

wanted=$(stamp)
[ "${1:-}" != --stamp ] || { echo "$wanted"; exit 0; }
if [ -x "$output" ] && [ "$(cat "$output.stamp" 2>/dev/null)" = "$wanted" ]; then
    echo "$output is there"
    exit 0
fi
[ -z "$check" ] || die "$output is not there, or not made from what is here now"
for tool in gcc make pkg-config xz patch; do
    command -v "$tool" >/dev/null || die "$tool is missing" 3
done
pkg-config --exists libffi || die "libffi-dev is missing" 3
echo '#include <mbedtls/ssl.h>' | gcc -E -o /dev/null - 2>/dev/null || die "libmbedtls-dev is missing" 3

mkdir -p "$kept" "$(dirname "$output")"
# One build at a time; whoever waited finds it done.
if command -v flock >/dev/null && [ -z "${MICROPYTHON_LOCKED:-}" ]; then
    MICROPYTHON_LOCKED=yes exec flock "$kept/lock" sh firmware/build_micropython_unix.sh "$output"
fi
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
    ) || die "the source package could not be fetched" 3
    MICROPYTHON_TAR=$(ls "$work"/fetched/*.orig.tar.xz)
    MICROPYTHON_DEBIAN_TAR=$(ls "$work"/fetched/*.debian.tar.xz)
}

if [ ! -d "$kept/source" ]; then
    [ -n "${MICROPYTHON_TAR:-}" ] || fetch
    mkdir "$work/source"
    tar -C "$work/source" --strip-components=1 -xf "$MICROPYTHON_TAR"
    tar -C "$work/source" -xf "$MICROPYTHON_DEBIAN_TAR"
    # The tar has no submodules and no git; these three of Debian's patches let it build without them.
    for number in 0001 0004 0007; do
        patch -s -d "$work/source" -p1 <"$(ls "$work/source/debian/patches/$number"-*.patch)"
    done
    mv "$work/source" "$kept/source"
fi

# The tar has no mbedTLS either: MICROPY_SSL_MBEDTLS=0 leaves out its sources, the flag keeps MicroPython's binding, and
# the library is the system's.
# Debian's mbedTLS can trace every handshake, which nobody wants to read.
sed -i 's/mbedtls_debug_set_threshold(3)/mbedtls_debug_set_threshold(0)/' "$kept/source/extmod/modtls_mbedtls.c"
# The standard manifest wants micropython-lib, which the tar lacks; ours freezes asyncio and the charger's code.
# Its tool does not see that a file is gone, or that the manifest has changed: the frozen code is always made anew.
rm -f "$kept/source/ports/unix/build-chargebus/frozen_content.c"
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
{
    make -C "$kept/source/mpy-cross" -j"$jobs" &&
        make -C "$kept/source/ports/unix" -j"$jobs" FROZEN_MANIFEST="$PWD/firmware/manifest.py" \
            BUILD=build-chargebus USER_C_MODULES="$PWD/firmware" MICROPY_PY_BTREE=0 MICROPY_PY_SSL=1 \
            MICROPY_SSL_AXTLS=0 MICROPY_SSL_MBEDTLS=0 CFLAGS_EXTRA=-DMICROPY_SSL_MBEDTLS=1 \
            LDFLAGS_EXTRA="-lmbedtls -lmbedx509 -lmbedcrypto"
} >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    die "the build has failed"
}

cp "$kept/source/ports/unix/build-chargebus/micropython" "$output.new"
mv "$output.new" "$output"
# What was edited while the build ran is built next time.
echo "$wanted" >"$output.stamp"
"$output" -c 'import sys; print("built", sys.implementation)'
