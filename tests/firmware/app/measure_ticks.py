"""What a tick costs: ``python -m tests.firmware.app.measure_ticks`` prints microseconds of one core."""

import time

from tests.firmware.app.fakes import Bench


class NullLink:
    """Takes everything, so that the charger's own cost is measured and not that of checking it."""

    connected = True

    def publish(self, topic: str, payload: str | bytes, qos: int, retain: bool) -> bool:
        return True


def measured(bench: Bench, rounds: int, step_ms: int) -> float:
    """Microseconds per tick, simple fake hardware included."""
    charger, clock = bench.charger, bench.clock
    began = time.perf_counter()
    for _ in range(rounds):
        clock.now += step_ms
        charger.tick()
    return (time.perf_counter() - began) / rounds * 1e6


def main() -> None:
    for name, step_ms in (("charging, telemetry and every tenth time state, 1 s", 1000), ("nothing due, 1 ms", 1)):
        bench = Bench()
        bench.charge()
        bench.send("set_limit", current_a=20.0, valid_for_s=86_400)
        bench.run(30)
        charger = bench.charger
        for part in (charger.publisher, charger.events):
            part._link = NullLink()  # type: ignore[assignment]
        print(f"{measured(bench, 20_000, step_ms):6.2f} µs  {name}")
    bench = Bench()
    charger = bench.charger
    for part in (charger.publisher, charger.events):
        part._link = NullLink()  # type: ignore[assignment]
    print(f"{measured(bench, 20_000, 10_000):6.2f} µs  idle, state every time, 10 s")
    print(f"{measured(bench, 20_000, 1):6.2f} µs  idle, nothing due, 1 ms")


if __name__ == "__main__":
    main()
