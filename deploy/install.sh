#!/bin/sh
# Install a site on a Raspberry Pi, or any other Debian 12 with systemd: broker and agents as services.
#
# usage: sudo sh deploy/install.sh SITE HOST… [--device ID]… [--meter ID]… [--person NAME]…
#
# For example: sudo sh deploy/install.sh garage broker.local 10.0.0.2 --device c1 --device c2
#
# Can be run again: for more chargers, or after an update of this repository. It never changes /etc/chargebus/site.toml
# and no certificate that is there. What it makes:
#   /opt/chargebus                            the program and its virtual environment
#   /etc/chargebus                            site.toml, pki/, access/cards.csv: back it up with `chargebus backup`
#   /var/lib/chargebus                        the agents' data, each file its agent's own
#   /etc/mosquitto/conf.d/chargebus.conf      the broker's configuration
#   /etc/mosquitto/chargebus/                 its certificate, access list and revoked certificates: /etc/chargebus/broker
#   /etc/chargebus/limits.nft                 what one address may send to the broker, and limits.d/ for exceptions
#   /etc/systemd/system/chargebus@.service    and chargebus.target, chargebus-limits.service,
#                                             mosquitto.service.d/chargebus.conf
#
# To uninstall, keeping /etc/chargebus and /var/lib/chargebus:
#   systemctl disable --now 'chargebus@*' chargebus.target chargebus-limits
#   rm -r /etc/systemd/system/chargebus@.service /etc/systemd/system/chargebus.target \
#         /etc/systemd/system/chargebus-limits.service /etc/systemd/system/mosquitto.service.d/chargebus.conf /etc/mosquitto/conf.d/chargebus.conf \
#         /etc/mosquitto/chargebus /opt/chargebus /usr/local/bin/chargebus
#   systemctl daemon-reload && systemctl restart mosquitto
#   getent passwd | grep -o '^chargebus-[a-z_]*' | xargs -n 1 deluser --system; delgroup --system chargebus
#
# For tests: DESTDIR=FOLDER installs below FOLDER, without packages, users and services.

set -eu
cd "$(dirname "$0")/.."

root=${DESTDIR:-}
program=$root/opt/chargebus
settings=$root/etc/chargebus
data=$root/var/lib/chargebus
broker=$root/etc/mosquitto
units=$root/etc/systemd/system

die() {
    echo "install.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '2,8s/^# \{0,1\}//p' deploy/install.sh
}

# Copy a file if it differs, with owner and rights; says so.
put() {
    source=$1 target=$2 mode=$3 owner=${4:-root:root}
    mkdir -p "$(dirname "$target")"
    if ! cmp -s "$source" "$target"; then
        install -m "$mode" "$source" "$target.new"
        mv "$target.new" "$target"
        echo "installed $target"
    fi
    chmod "$mode" "$target"
    [ -n "$root" ] || chown "$owner" "$target"
}

install_packages() {
    missing=""
    for package in mosquitto nftables python3-venv; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    done
    [ -z "$missing" ] || {
        echo "installing$missing"
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
    }
}

# agents: their names, a line each.
agents() {
    ${CHARGEBUS:-$program/.venv/bin/chargebus} agent --list | sed 's/ .*//'
}

# A user for each agent, all of one group.
make_users() {
    getent group chargebus >/dev/null || groupadd --system chargebus
    agents | while read -r agent; do
        getent passwd "chargebus-$agent" >/dev/null || {
            useradd --system --gid chargebus --no-user-group --home-dir /var/lib/chargebus \
                --shell /usr/sbin/nologin "chargebus-$agent"
            echo "made the user chargebus-$agent"
        }
    done
}

# Everyone of the group may make files here; only the owner of a file may read, replace or remove it.
give_data() {
    mkdir -p "$data"
    chmod 3770 "$data"
    [ -n "$root" ] || chown root:chargebus "$data"
    # An older version's agents were one user.
    agents | while read -r agent; do
        for path in "$data/$agent".*; do
            give "$agent" "$path"
        done
    done
    for path in "$data"/history "$data"/history.*; do
        give influx_logger "$path"
    done
}

# give AGENT PATH: make what is there the agent's own.
give() {
    [ -n "$root" ] || [ ! -e "$2" ] || chown -R "chargebus-$1:chargebus" "$2"
}

# The program is copied, so that a half-finished `git pull` never runs.
install_program() {
    parts="pyproject.toml README.md bus_schema agents firmware dashboards deploy"
    rm -rf "$program/new"
    mkdir -p "$program/new"
    # shellcheck disable=SC2086
    tar -c --exclude=__pycache__ --exclude=firmware/build $parts | tar -x -C "$program/new"
    for part in $parts; do
        rm -rf "${program:?}/$part"
        mv "$program/new/$part" "$program/$part"
    done
    rmdir "$program/new"
    [ -n "$root" ] || {
        (cd "$program" && . deploy/venv.sh && ensure_venv postgresql)
        ln -sf /opt/chargebus/.venv/bin/chargebus /usr/local/bin/chargebus
    }
}

# What the broker reads lies in its own folder, which the site's folder names: files that are written there later get
# its owner, so that the broker can read them again when a certificate is revoked.
make_broker_folder() {
    [ ! -L "$settings/broker" ] || return 0
    mkdir -p "$broker/chargebus"
    mv "$settings/broker"/* "$broker/chargebus/"
    rmdir "$settings/broker"
    ln -s ../mosquitto/chargebus "$settings/broker"
    chmod 755 "$broker/chargebus"
    chmod 644 "$broker/chargebus"/*
    chmod 600 "$broker/chargebus/broker.key"
    [ -n "$root" ] || chown -R mosquitto:mosquitto "$broker/chargebus"
}

prepare() {
    ${CHARGEBUS:-$program/.venv/bin/chargebus} prepare "$@" --for systemd --folder "$settings"
    [ -n "$root" ] || {
        # The agents read what they need. A key is its agent's alone, the authority's and all others are root's.
        chown -hR root:chargebus "$settings"
        find "$settings" -type d -exec chmod 750 {} +
        find "$settings" -type f -exec chmod 640 {} +
        for folder in pki secrets; do
            [ ! -d "$settings/$folder" ] ||
                find "$settings/$folder" -type f ! -name '*.pem' -exec chown root:root {} + -exec chmod 600 {} +
        done
        agents | while read -r agent; do
            for path in "$settings/pki/$agent.key" "$settings/secrets/$agent".*; do
                give "$agent" "$path"
            done
        done
        give influx_logger "$settings/secrets/influxdb.token"
    }
}

# With an older version's broker, agents had other client ids. The sessions under those ids would wait for ever and fill
# its memory, so it begins with new data. No event is lost by that: chargers send again what was not acknowledged.
begin_with_new_sessions() {
    conf=$broker/conf.d/chargebus.conf
    [ -f "$conf" ] && ! grep -q '^use_username_as_clientid true' "$conf" || return 0
    # It writes its data when it stops. Agents of the older version must not lose their files while they run.
    [ -n "$root" ] || systemctl stop chargebus.target 'chargebus@*' mosquitto
    old=$root/var/lib/mosquitto/mosquitto.db
    [ ! -f "$old" ] || {
        mv "$old" "$old.before-upgrade"
        echo "set aside $old of the older version"
    }
}

install_broker() {
    put deploy/mosquitto/mosquitto.conf "$broker/conf.d/chargebus.conf" 644
}

# A flood must not reach the broker; what an operator has excepted stays.
install_limits() {
    mkdir -p "$settings/limits.d"
    put deploy/nftables/limits.nft "$settings/limits.nft" 644
}

install_units() {
    put deploy/systemd/chargebus-limits.service "$units/chargebus-limits.service" 644
    put deploy/systemd/chargebus@.service "$units/chargebus@.service" 644
    put deploy/systemd/chargebus.target "$units/chargebus.target" 644
    put deploy/systemd/mosquitto.service.d/chargebus.conf "$units/mosquitto.service.d/chargebus.conf" 644
}

start() {
    systemctl daemon-reload
    systemctl enable --quiet mosquitto chargebus.target chargebus-limits
    # Without them a site works, as long as nobody floods it.
    systemctl restart chargebus-limits ||
        echo "install.sh: nftables does not take the limits: a device that floods is not held back" >&2
    systemctl restart mosquitto
    # Every agent that has a table in site.toml.
    agents | while read -r agent; do
        grep -q "^\[$agent\]" "$settings/site.toml" || continue
        systemctl enable --quiet "chargebus@$agent"
        systemctl restart "chargebus@$agent"
    done
    systemctl start chargebus.target
    echo "running: chargebus --help, systemctl list-units 'chargebus*', journalctl -u 'chargebus@*'"
}

case ${1:-} in
    -h | --help) usage && exit 0 ;;
    "" | -*) usage >&2 && exit 2 ;;
esac
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || die "must be root: sudo sh deploy/install.sh …"
[ -n "$root" ] || command -v systemctl >/dev/null || die "needs systemd; for Docker see deploy/compose.yaml"

if [ -z "$root" ]; then
    install_packages
fi
install_program
[ -n "$root" ] || make_users
prepare "$@"
make_broker_folder
begin_with_new_sessions
give_data
install_broker
install_limits
install_units
if [ -z "$root" ]; then start; fi
