#!/bin/sh
# Build MicroPython's unix port from Debian's source, with cp_pwm compiled in and the charger's app frozen.
#
# usage: sh firmware/build_micropython_unix.sh [--bits 64|32] [OUTPUT]
#        sh firmware/build_micropython_unix.sh [--bits 64|32] --check [OUTPUT]
#        sh firmware/build_micropython_unix.sh [--bits 64|32] --stamp
#
# With --bits 32 it is made as a chip's: pointers, objects and heap blocks of 32 bits, floats of single precision.
# OUTPUT is where the program goes; default: firmware/build/micropython, or firmware/build/micropython32. Nothing is done
# if it is there and made from what cp_pwm, the app and the boards are now; else only what has changed is compiled.
# --check says whether it is so (exit code 0) or not (1) and builds nothing; --stamp prints what OUTPUT.stamp must say
# for it.
# Environment: micropython_build.sh's, and
#   MBEDTLS_I386  an unpacked libmbedtls-dev of i386, which is not fetched then (it has usr/include and usr/lib)
# Needs gcc, make, pkg-config, libffi-dev, libmbedtls-dev, xz, patch, python3; for 32 bits instead of libffi-dev and
# libmbedtls-dev gcc-multilib and dpkg-deb; to fetch: apt-get with Debian's archive and keyring. The system's own package
# lists are not touched. Exit code: 0 built, 1 not; 3 something needed is missing.

set -eu
cd "$(dirname "$0")/.."
# shellcheck source=firmware/micropython_build.sh
. firmware/micropython_build.sh

bits=64
if [ "${1:-}" = --bits ]; then
    bits=${2:-}
    [ $# -lt 2 ] || shift
    shift
fi
case $bits in
64) name=micropython build=build-chargebus ;;
32) name=micropython32 build=build-chargebus32 ;;
*) die "--bits is 64 or 32, not '$bits'" ;;
esac
check=""
[ "${1:-}" != --check ] || { check=yes; shift; }
output=${1:-firmware/build/$name}

need python3
wanted=$(stamp firmware/build_micropython_unix.sh)
[ "${1:-}" != --stamp ] || { echo "$wanted"; exit 0; }
answer_if_fresh "$output" "$wanted" "$check"
need gcc make
if [ "$bits" = 64 ]; then
    need pkg-config
    pkg-config --exists libffi || die "libffi-dev is missing" $MISSING
    echo '#include <mbedtls/ssl.h>' | gcc -E -o /dev/null - 2>/dev/null || die "libmbedtls-dev is missing" $MISSING
else
    echo 'int main(void) { return 0; }' | gcc -m32 -x c -o /dev/null - 2>/dev/null ||
        die "gcc cannot make programs of 32 bits (gcc-multilib is missing, or this is no PC)" $MISSING
    [ -n "${MBEDTLS_I386:-}" ] || need dpkg-deb
fi

mkdir -p "$(dirname "$output")"
begin_alone --bits "$bits" "$output"
take_source
# Debian's mbedTLS can trace every handshake, which nobody wants to read.
sed -i 's/mbedtls_debug_set_threshold(3)/mbedtls_debug_set_threshold(0)/' "$source/extmod/modtls_mbedtls.c"

# take_mbedtls: fetch and unpack i386's mbedTLS, of the Debian that runs here, unless that was done before.
take_mbedtls() {
    MBEDTLS_I386=$PWD/$kept/mbedtls-i386
    [ ! -d "$MBEDTLS_I386" ] || return 0
    (
        # shellcheck source=/dev/null
        . /etc/os-release
        private_apt deb "$VERSION_CODENAME" i386
        apt-get -q update
        cd "$work/fetched" && apt-get -q download libmbedtls-dev:i386
    ) || die "i386's libmbedtls-dev could not be fetched; MBEDTLS_I386 names one" $MISSING
    dpkg-deb -x "$work"/fetched/libmbedtls-dev_*_i386.deb "$work/mbedtls"
    mv "$work/mbedtls" "$MBEDTLS_I386"
}

# The tar has no mbedTLS: MICROPY_SSL_MBEDTLS=0 leaves out its sources, the flag keeps MicroPython's binding, and the
# library is Debian's.
flags=-DMICROPY_SSL_MBEDTLS=1
libraries="-lmbedtls -lmbedx509 -lmbedcrypto"
set -- FROZEN_MANIFEST="$PWD/firmware/manifest.py" MICROPY_PY_BTREE=0 MICROPY_PY_SSL=1 MICROPY_SSL_AXTLS=0 \
    MICROPY_SSL_MBEDTLS=0
if [ "$bits" = 32 ]; then
    [ -n "${MBEDTLS_I386:-}" ] || take_mbedtls
    # With x87 instructions floats would be more precise than a chip's.
    flags="$flags -DMICROPY_FLOAT_IMPL=MICROPY_FLOAT_IMPL_FLOAT -msse2 -mfpmath=sse -I$MBEDTLS_I386/usr/include"
    folder=$MBEDTLS_I386/usr/lib/i386-linux-gnu
    libraries="$folder/libmbedtls.a $folder/libmbedx509.a $folder/libmbedcrypto.a"
    # There is no libffi of 32 bits, and the charger has no use for it.
    set -- "$@" MICROPY_FORCE_32BIT=1 MICROPY_PY_FFI=0
fi
make_port unix "$build" "$@" CFLAGS_EXTRA="$flags" LDFLAGS_EXTRA="-Wl,--start-group $libraries -Wl,--end-group"
keep "$source/ports/unix/$build/micropython" "$output" "$wanted"
"$output" -c 'import sys; print("built", sys.implementation, "of", len(bin(sys.maxsize)) - 1, "bits")'
