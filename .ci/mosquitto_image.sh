#!/bin/sh
# Provide the image eclipse-mosquitto:2 to a running Docker engine, for the tests that use testcontainers.
#
# Where images can be pulled, that is the official one. Elsewhere it is made out of the Mosquitto that is installed
# on this machine: the program, the libraries that it names, and a configuration. An image that exists is left alone.
#
# usage: sh .ci/mosquitto_image.sh
# exit code: 0 there is an image, 1 it could neither be pulled nor made

set -eu

image=eclipse-mosquitto:2

if docker image inspect "$image" >/dev/null 2>&1; then
    echo "image $image: already there"
    exit 0
fi
if timeout 60 docker pull --quiet "$image" 2>/dev/null; then
    echo "image $image: pulled"
    exit 0
fi

broker=$(PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v mosquitto) || {
    echo "image $image: cannot be pulled, and there is no installed mosquitto to make it from" >&2
    exit 1
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM

copy_into_root() {
    mkdir -p "$root$(dirname "$1")"
    cp -L "$1" "$root$1"
}

mkdir -p "$root/usr/sbin" "$root/etc" "$root/tmp" "$root/data" \
    "$root/mosquitto/config" "$root/mosquitto/data" "$root/mosquitto/log"
cp -L "$broker" "$root/usr/sbin/mosquitto"
ldd "$broker" | grep -o '/[^ ]*' | while read -r library; do copy_into_root "$library"; done

# testcontainers waits for a line on the broker's standard output, which the C library keeps back in a pipe:
# the library behind stdbuf(1) makes it come line by line.
set -- /usr/libexec/coreutils/libstdbuf.so
if [ -e "$1" ]; then copy_into_root "$1"; fi

# Users are those of the official image: Mosquitto gives up root for `mosquitto`.
echo 'root:x:0:0:root:/:/none
mosquitto:x:1883:1883:mosquitto:/:/none' >"$root/etc/passwd"
echo 'root:x:0:
mosquitto:x:1883:' >"$root/etc/group"
echo 'listener 1883
allow_anonymous true' >"$root/mosquitto/config/mosquitto.conf"
chmod 1777 "$root/tmp"
chown -R 1883:1883 "$root/mosquitto" "$root/data"

tar -C "$root" -c . | docker import \
    -c 'CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]' \
    -c 'ENV LD_PRELOAD=/usr/libexec/coreutils/libstdbuf.so _STDBUF_O=L' \
    -c 'EXPOSE 1883' \
    -c 'VOLUME ["/mosquitto/data", "/mosquitto/log"]' \
    - "$image" >/dev/null
echo "image $image: made from the installed $("$broker" -h | head -n 1)"
