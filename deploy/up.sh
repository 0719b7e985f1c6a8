#!/bin/sh
# Run a whole charging site on this machine: broker, virtual chargers with cars, all agents, a page to look at.
#
# usage: sh deploy/up.sh [OPTIONS OF `chargebus up`]        sh deploy/up.sh --help
#
# Needs only Python 3.11 or newer. The first time it makes a virtual environment in .venv and installs chargebus
# there. Ctrl-C stops everything.

set -eu
cd "$(dirname "$0")/.."
. deploy/venv.sh
ensure_venv run
# The shell is replaced, so that Ctrl-C and signals reach chargebus itself.
exec .venv/bin/chargebus up "$@"
