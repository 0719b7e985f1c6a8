#!/bin/sh
# Run the tests.
#
# usage: sh tests/run.sh [STAGE…]
#
# Without a stage it runs all of them, the fast ones first:
#   lint         ruff's rules and format
#   types        mypy, strict
#   contract     every generated file is up to date
#   fast         everything that needs neither broker nor browser, and less than ten seconds
#   broker       one part at a time with a real broker
#   integration  the whole site on each kind of broker: installed, testcontainers, embedded
#   slow         the simulated world over many seeds, kill -9 rounds
#   sites        whole sites: `up` in a clean clone, the README's lines, compose
#   browser      the page in a real browser
#   bench        the figures that the README promises
#
# What a missing part forbids (Docker, Mosquitto, PostgreSQL, Chromium, MicroPython) is skipped by name and listed at
# the end. CHARGEBUS_NO_SKIP=1 makes every such skip a failure. Needs Python 3.11 or newer; makes .venv.

set -u
cd "$(dirname "$0")/.." || exit 1

ALL="lint types contract fast broker integration slow sites browser bench"
stages=${*:-$ALL}
for stage in $stages; do
    case " $ALL " in
    *" $stage "*) ;;
    *)
        echo "tests/run.sh: no stage '$stage'; there are: $ALL" >&2
        exit 2
        ;;
    esac
done

. deploy/venv.sh
ensure_venv test || exit 5
python=.venv/bin/python
results=artefacts/results
mkdir -p artefacts
rm -rf "$results"
mkdir -p "$results"

# For testcontainers: no helper container that would have to be pulled, and mapped ports on this machine.
export TESTCONTAINERS_RYUK_DISABLED=true
export TESTCONTAINERS_HOST_OVERRIDE="${TESTCONTAINERS_HOST_OVERRIDE:-localhost}"
export TESTCONTAINERS_CONNECTION_MODE="${TESTCONTAINERS_CONNECTION_MODE:-docker_host}"

if ! command -v timeout >/dev/null; then
    timeout() {
        shift 3
        "$@"
    }
fi

# step NAME SECONDS COMMAND…: run a command within a time, remember how it ended and how long it took.
step() {
    name=$1 limit=$2
    shift 2
    echo
    echo "=== $name"
    begin=$(date +%s)
    # -k: a test runner that does not even end when told to is killed.
    timeout -k 20 "$limit" "$@"
    code=$?
    took=$(($(date +%s) - begin))
    case $code in
    0) end="ok" ;;
    124 | 137) end="FAILED: not finished within $limit s" ;;
    *) end="FAILED with exit code $code" ;;
    esac
    echo "  $name: $took s, $end" | tee -a "$results/timings"
    $python tests/summary.py --record "$results" "$name" "$code"
}

# suite NAME SECONDS PYTEST-ARGUMENTS…: tests, two at once unless a later -n says otherwise; none of them measures
# time.
suite() {
    name=$1 limit=$2
    shift 2
    step "$name" "$limit" $python -m pytest -q -n 2 --durations=10 --durations-min=5 \
        --junitxml="$results/$name.xml" -o junit_family=xunit2 "$@"
}

# marked NAME: the files with tests of that mark; to look into all the others would take longer than some suites do.
marked() {
    grep -rlE --include='test_*.py' "mark\.$1\b" tests | grep -vE '^tests/(integration|browser|bench)/' | sort
}

# bench NAME…: programs of tests/bench, one after the other; those that cannot be run are what others import.
bench() {
    for program in "$@"; do
        if grep -q __main__ "tests/bench/$program.py"; then
            # shellcheck disable=SC2086
            step "bench-$program" 600 $niced $python -m "tests.bench.$program"
        fi
    done
}
niced=""

# These count energy, instructions, bytes or simulated time: it does not matter what runs beside them. The others are
# alone; processor time too depends on what the other half of a core does.
COUNTING="acn core_cost flash_wear ocpp_outage trips"
counted=""

run_before=""

WITHOUT_WHOLE_SITES="--ignore=tests/integration --ignore=tests/kill --ignore=tests/browser --ignore=tests/bench"

for stage in $stages; do
    case $stage in
    lint)
        step lint 120 $python -m ruff check .
        step format 120 $python -m ruff format --check .
        ;;
    types) step types 300 $python -m mypy ;;
    contract) step contract 60 $python -m bus_schema --check ;;
    fast)
        # shellcheck disable=SC2086
        suite fast 900 --dist loadfile tests $WITHOUT_WHOLE_SITES -m "not slow and not broker and not docker and not browser"
        ;;
    broker)
        # shellcheck disable=SC2046
        suite broker 900 --dist loadfile $(marked broker) -m "broker and not slow"
        ;;
    integration)
        for kind in installed testcontainers embedded; do
            suite "integration-$kind" 300 tests/integration --broker "$kind" -m "not slow"
        done
        ;;
    slow)
        # shellcheck disable=SC2046
        suite slow 1500 --dist loadgroup $(marked slow | grep -v ^tests/deploy/) -m slow
        # tests/world/test_caltech_day.py has run the same day.
        run_before="world_day"
        ;;
    sites)
        # A dozen processes each: one at a time. They wait a good part of it, in which is counted what is to be counted.
        case " $stages " in
        *" bench "*)
            # shellcheck disable=SC2086
            (niced="nice -n 19" && bench $COUNTING) >"$results/counted.out" 2>&1 &
            counted=$!
            ;;
        esac
        # shellcheck disable=SC2046
        suite sites 1500 -n 0 $(marked slow | grep ^tests/deploy/) -m slow
        if [ -n "$counted" ]; then
            wait "$counted"
            cat "$results/counted.out"
        fi
        ;;
    browser) suite browser 300 tests/browser ;;
    bench)
        # shellcheck disable=SC2086
        [ -n "$counted" ] || bench $COUNTING
        for file in tests/bench/*.py; do
            program=$(basename "$file" .py)
            case " $COUNTING $run_before " in *" $program "*) ;; *) bench "$program" ;; esac
        done
        ;;
    esac
done

echo
echo "=== summary"
echo "time per step:"
cat "$results/timings"
# Its last line is the count of all tests: N passed, N failed, N skipped.
$python tests/summary.py "$results"
