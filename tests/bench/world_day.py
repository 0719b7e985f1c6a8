"""A day in the simulated world: real app, real ledger and access, invariants checked in every step.

usage: python -m tests.bench.world_day [--busy]

The real day of the Caltech garage, 54 chargers for 28 hours, told per 1,200 charger-hours: 50 chargers' day.
With ``--busy`` a day of 50 chargers that charge most of the time, for comparison and without a target.

Prints the seconds of one core that it took and how much faster than life that is. The time is the process's own, yet
the same code took from 38 to 104 s on machines of one kind: the target of 60 s belongs to a core of its own, and the
exit code is 1 above three times that.
"""

import argparse
import json
import sys
import time
from random import Random

from tests.world.day import Day, caltech_day, workplace_stays

TARGET_S = 60.0
NOISE = 3.0
"""How much slower a shared machine may be."""
DAY_CHARGER_HOURS = 50 * 24


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.world_day")
    parser.add_argument("--busy", action="store_true", help="50 chargers that charge most of the time; no target")
    busy = parser.parse_args().busy
    began_s = time.process_time()
    with Day(workplace_stays(Random(1), 50)) if busy else caltech_day() as day:
        day.run_day()
        hours = day.loop.now_ms / 3_600_000
        charged_kwh = sum(car.energy_wh for _, car in day.cars) / 1000
        chargers, cars = len(day.boxes), len(day.cars)
    took_s = time.process_time() - began_s
    print(
        f"{chargers} chargers, {cars} cars, {charged_kwh:.0f} kWh, {hours:.1f} h: {chargers * hours:.0f} charger-hours"
    )
    day_s = took_s * DAY_CHARGER_HOURS / (chargers * hours)
    print(f"one core: {took_s:.1f} s, {hours * 3600 / took_s:.0f} times faster than life")
    print(f"a day of 50 chargers: {day_s:.1f} s; target {TARGET_S:.0f} s")
    ok = busy or day_s <= TARGET_S * NOISE
    met = busy or day_s <= TARGET_S
    print(json.dumps({"world_day_s": round(day_s, 1), "busy": busy, "target_s": TARGET_S, "met": met, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
