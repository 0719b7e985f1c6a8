# What the builds of MicroPython share; read by build_micropython_unix.sh and build_micropython_qemu.sh, not run.
# shellcheck shell=sh
#
# Environment:
#   MICROPYTHON_TAR   an unpacked or packed source is not fetched: the orig tar of Debian's package micropython
#   MICROPYTHON_DEBIAN_TAR  and its debian tar
#   MICROPYTHON_WORK  where source and objects are kept; default: firmware/build/micropython-unix

SUITE=trixie # the first one whose package is 1.25
kept=${MICROPYTHON_WORK:-firmware/build/micropython-unix}
source=$kept/source
program=$(basename "$0")

MISSING=3 # exit code when something that a build needs is not there

die() {
    echo "$program: $1" >&2
    exit "${2:-1}"
}

# need TOOL…: every one of them, or exit code 3.
need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || die "$tool is missing" $MISSING
    done
}

# stamp PATH…: what the program is made from, as one number: these files, cp_pwm, the app and the boards.
stamp() {
    python3 - firmware/micropython_build.sh "$@" <<'END'
import hashlib
import sys
from pathlib import Path

firmware = Path("firmware")
cp_pwm = firmware / "cp_pwm"
paths = [firmware / "manifest.py", firmware / "__init__.py", cp_pwm / "micropython.mk", *map(Path, sys.argv[1:])]
paths += [*cp_pwm.rglob("*.[ch]"), *firmware.glob("app/**/*.py"), *firmware.glob("boards/**/*.py")]
digest = hashlib.sha256()
for path in sorted(paths):
    digest.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
print(digest.hexdigest())
END
}

# answer_if_fresh OUTPUT STAMP CHECK: end here if OUTPUT is made from what is here now, or if only that was asked.
answer_if_fresh() {
    if [ -x "$1" ] && [ "$(cat "$1.stamp" 2>/dev/null)" = "$2" ]; then
        echo "$1 is there"
        exit 0
    fi
    [ -z "$3" ] || die "$1 is not there, or not made from what is here now"
}

# keep FILE OUTPUT STAMP: put what has been built in its place. What was edited meanwhile is built next time.
keep() {
    cp "$1" "$2.new"
    mv "$2.new" "$2"
    echo "$3" >"$2.stamp"
}

# begin_alone ARGUMENT…: one build at a time, with a work folder of its own; whoever waited finds it done.
begin_alone() {
    mkdir -p "$kept"
    if command -v flock >/dev/null && [ -z "${MICROPYTHON_LOCKED:-}" ]; then
        MICROPYTHON_LOCKED=yes exec flock "$kept/lock" sh "firmware/$program" "$@"
    fi
    work=$(mktemp -d "${TMPDIR:-/tmp}/micropython-build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
}

# private_apt TYPE SUITE ARCHITECTURE: let apt-get use lists and a cache of its own; the system's are not touched.
private_apt() {
    command -v apt-get >/dev/null || die "there is no apt-get to fetch with" $MISSING
    # shellcheck disable=SC2016 # $(SITE) is apt's
    archive=$(unset APT_CONFIG && apt-get indextargets --format '$(SITE)' 'Origin: Debian' |
        grep -v security | sort -u | head -n 1)
    [ -n "$archive" ] || die "apt knows no Debian archive (apt-get update?)" $MISSING
    apt=$work/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts" "$work/fetched"
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nSigned-By: %s\n' "$1" "$archive" \
        "$2" "$3" /usr/share/keyrings/debian-archive-keyring.gpg >"$apt/parts/only.sources"
    printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\nDir::State::lists "%s";\nDir::Cache "%s";\n' \
        "$apt/parts" "$apt/lists" "$apt/cache" >"$apt/apt.conf"
    # As another user apt could not read the work folder.
    cat >>"$apt/apt.conf" <<END
APT::Sandbox::User "root";
APT::Architecture "$3";
Acquire::Retries "3";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END
    export APT_CONFIG="$apt/apt.conf"
}

# take_source: fetch and unpack MicroPython unless that was done before.
take_source() {
    [ ! -d "$source" ] || return 0
    need xz patch
    if [ -z "${MICROPYTHON_TAR:-}" ]; then
        (
            private_apt deb-src "$SUITE" "$(dpkg --print-architecture)"
            apt-get -q update
            cd "$work/fetched" && apt-get -q source --download-only micropython
        ) || die "the source package could not be fetched; MICROPYTHON_TAR names one" $MISSING
        MICROPYTHON_TAR=$(ls "$work"/fetched/*.orig.tar.xz)
        MICROPYTHON_DEBIAN_TAR=$(ls "$work"/fetched/*.debian.tar.xz)
    fi
    mkdir "$work/source"
    tar -C "$work/source" --strip-components=1 -xf "$MICROPYTHON_TAR"
    tar -C "$work/source" -xf "$MICROPYTHON_DEBIAN_TAR"
    # The tar has no submodules and no git; these three of Debian's patches let it build without them.
    for number in 0001 0004 0007; do
        patch -s -d "$work/source" -p1 <"$(ls "$work/source/debian/patches/$number"-*.patch)"
    done
    mv "$work/source" "$source"
}

# make_port PORT BUILD VARIABLE…: build a port with cp_pwm compiled in and the charger's app frozen.
make_port() {
    port=$source/ports/$1 build=$2
    shift 2
    # The standard manifest wants micropython-lib, which the tar lacks; ours freezes asyncio and the charger's code.
    # Its tool does not see that a file is gone, or that the manifest has changed: the frozen code is always made anew.
    rm -f "$port/$build/frozen_content.c"
    jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
    {
        make -C "$source/mpy-cross" -j"$jobs" &&
            make -C "$port" -j"$jobs" BUILD="$build" USER_C_MODULES="$PWD/firmware" "$@"
    } >"$work/log" 2>&1 || {
        tail -n 30 "$work/log" >&2
        die "the build has failed"
    }
}
