#!/bin/sh
# Run the tests.
#
# usage: sh tests/run.sh [STAGE…]
#
# Without a stage it runs all but the last two, in lanes beside each other: what computes, what mostly waits, and in the
# end what measures time. Table, lanes and budgets: tests/stages.py.
#   lint           ruff's rules and format
#   types          mypy, strict
#   contract       every generated file is up to date
#   fast           everything that needs neither broker nor browser, and less than ten seconds
#   slow           simulated worlds, bugs that they must catch, fuzzing
#   counted        short rounds of the benchmarks that count
#   sites          whole sites: `up` in a clean clone, the README's lines, compose
#   kill           kill -9 and power losses, round after round, with a real broker
#   integration    the parts together, on each kind of broker: installed, testcontainers, embedded
#   browser        the page in a real browser
#   broker         one part at a time with a real broker
#   micropython32  the tests on MicroPython once more, on its build for 32 bits
#   answers        short rounds of the benchmarks that wait for answers
#   bench          short rounds of the benchmarks that measure speed
#   figures        what the README promises, measured in full: an hour; only when it is named
#   campaigns      worlds, kills and power losses by the thousand: four hours; only when it is named
#
# The worlds that are tried depend on the commit: the seed is printed, CHARGEBUS_SEED=N repeats it.
# CHARGEBUS_WORLDS=N tries N times as many of them. No stage has a time limit that a slow machine could miss: one that
# prints nothing for half an hour is stopped.
#
# artefacts/results keeps, whatever happens: STEP.log, STEP.xml (JUnit), STEP.json (how it ended, times), STEP.*.jsonl
# (each test that began and ended), timings (against the budgets) and durations (the slowest tests).
#
# What a missing part forbids (Docker, Mosquitto, PostgreSQL, Chromium, MicroPython) is skipped by name and listed at
# the end. CHARGEBUS_NO_SKIP=1 makes every such skip a failure. Needs Python 3.11 or newer; makes .venv.

set -u
cd "$(dirname "$0")/.." || exit 1
. deploy/venv.sh
ensure_venv test || exit 5
# The shell is replaced, so that Ctrl-C and signals reach what runs the stages.
exec .venv/bin/python -m tests.running "$@"
