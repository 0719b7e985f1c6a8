#!/bin/sh
# Make the folder with a site's certificates, secrets and configuration. Can be run again: what is there is kept.
#
# usage: sh deploy/prepare.sh SITE HOST… --folder FOLDER [--for compose|systemd] [--device ID]… [--meter ID]…
#                             [--person NAME]…
#
# For example: sh deploy/prepare.sh garage broker.local 10.0.0.2 --folder /srv/garage --device c1 --device c2

set -eu
cd "$(dirname "$0")/.."
. deploy/venv.sh
ensure_venv run
exec .venv/bin/chargebus prepare "$@"
