#!/bin/sh
# Build MicroPython's qemu port for a Cortex-M3 (mps2-an385) from Debian's source, with cp_pwm compiled in, without an
# operating system, and the charger's app frozen.
#
# usage: sh firmware/build_micropython_qemu.sh [OUTPUT]
#        sh firmware/build_micropython_qemu.sh --check [OUTPUT]
#
# OUTPUT is where the image goes; default: firmware/build/micropython-cortex-m3.elf. Nothing is done if it is there and
# made from what cp_pwm, the app and the boards are now. --check says whether it is so (exit code 0) or not (1).
# Run it with qemu-system-arm -machine mps2-an385 -nographic -semihosting -kernel OUTPUT; it is a prompt.
# Environment: micropython_build.sh's.
# Needs gcc, gcc-arm-none-eabi, libnewlib-arm-none-eabi, make, xz, patch, python3; to fetch: apt-get with Debian's archive
# and keyring. Exit code: 0 built, 1 not; 3 something needed is missing.

set -eu
cd "$(dirname "$0")/.."
# shellcheck source=firmware/micropython_build.sh
. firmware/micropython_build.sh

HEAP=147456 # bytes: the 112 KiB counted on on an ESP32, and 32 for what a test brings along

check=""
[ "${1:-}" != --check ] || { check=yes; shift; }
output=${1:-firmware/build/micropython-cortex-m3.elf}

need python3
wanted=$(stamp firmware/build_micropython_qemu.sh firmware/qemu/*)
answer_if_fresh "$output" "$wanted" "$check"
need gcc make arm-none-eabi-gcc
echo '#include <stdlib.h>' | arm-none-eabi-gcc -E -o /dev/null - 2>/dev/null ||
    die "libnewlib-arm-none-eabi is missing" $MISSING

mkdir -p "$(dirname "$output")"
begin_alone "$output"
take_source
# make does not see that the heap's size has changed.
rm -f "$source/ports/qemu/build-chargebus/main.o"
make_port qemu build-chargebus BOARD=MPS2_AN385 FROZEN_MANIFEST="$PWD/firmware/qemu/manifest.py" CP_PORT=bare \
    LDSCRIPT="$PWD/firmware/qemu/mps2_an385.ld" MICROPY_HEAP_SIZE=$HEAP MICROPY_VFS_LFS2=1 \
    CFLAGS_EXTRA="-DMP_CONFIGFILE='\"$PWD/firmware/qemu/mpconfigport.h\"'"
keep "$source/ports/qemu/build-chargebus/firmware.elf" "$output" "$wanted"
arm-none-eabi-size "$output"
