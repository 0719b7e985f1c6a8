"""A grid meter: what it says of other loads, and whether it can be believed.

Nobody assumes that current is free because a meter is silent, frozen, wired the wrong way round or out of its mind:
:meth:`GridMeter.trouble` says so in words, and the circuit is then limited to a stated share.

Pure: no clock, no I/O. Times are steady seconds.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.load_balancer.circuits.site import PHASES, Measures, Meter
from agents.load_balancer.seeing.directions import directed
from agents.load_balancer.seeing.following import LATEST_S, Following
from bus_schema.balancing import GridTelemetry

FROZEN_S = 300.0
"""A meter that repeats itself to the last digit for so long is frozen: real loads flicker."""

STALE_S = 10.0
"""The same time stamp for so long means that somebody repeats an old reading."""

NOISE_A = 2.0
NOISE_SHARE = 0.1
"""A meter and the chargers' own may differ by so much."""

AHEAD_S = 60.0
"""A reading from so far in the future says nothing about its age: the clocks differ."""

BELIEF_S = LATEST_S + 5.0
"""A reading that cannot be true is forgiven for so long: a meter may tell late, and chargers and meter are not read at
the same moment. Other loads count with their highest value of :data:`CALM_S`, so that it frees nothing meanwhile."""

MOST_TIMES_LIMIT = 3.0
"""Currents beyond so many times the circuit's limit are no measurement: a fuse would be gone."""

CALM_S = 30.0
"""Other loads count with their highest value of so long: cut at once, raise slowly."""


@dataclass(slots=True)
class _Phase:
    other_a: float = 0.0
    """Other loads, as the last reading has them."""
    highest: deque[tuple[float, float]] = field(default_factory=deque)
    """(time, value) of the last half minute, values descending."""
    alone: tuple[float, float] | None = None
    """(time, value) of a reading above the fuse that no other one has confirmed yet."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the chargers of the circuit draw on one phase: at least, at most, and by the newest reading. A."""

    least_a: float = 0.0
    most_a: float = 0.0
    newest_a: float = 0.0


class GridMeter:
    """One meter and what it has said."""

    def __init__(self, meter: Meter, limit_a: float) -> None:
        """Begin with nothing known. ``limit_a`` is the circuit's fuse."""
        self.meter = meter
        self.readings = 0
        self.export_a: dict[str, float] = {}
        self._most_a = MOST_TIMES_LIMIT * limit_a
        self._limit_a = limit_a
        self.directions_by_power = False
        """Whether the newest reading's currents had no signs, and its power did."""
        self._last: tuple[float, ...] | None = None
        self._said: tuple[float | None, ...] | None = None
        self._heard_s: float | None = None
        self._changed_s = 0.0
        self._ts: int | None = None
        self._ts_s = 0.0
        self._old_s: float | None = None
        self._old_words = ""
        self._mad_s: float | None = None
        self._low_s: float | None = None
        self._low_words = ""
        self._following = Following()
        self._over: set[str] = set()
        self._phases = {phase: _Phase() for phase in PHASES}

    def take(self, reading: GridTelemetry, utc_ms: int, drawn: Mapping[str, Drawn], now_s: float) -> bool:
        """Take a reading; return whether the circuit carries more than it may now.

        ``utc_ms`` is the date here. A reading without a ``ts`` is from a meter that knows no date, of which nobody can
        say how old its readings are.
        """
        self.readings += 1
        currents = (reading.current_l1_a, reading.current_l2_a, reading.current_l3_a)
        measured = [float(value) for value in currents if value is not None]
        if len(measured) != len(PHASES):
            return False  # Unknown is not zero: it is as if the meter were silent.
        ts = reading.ts
        if ts is not None and self._is_old(ts, utc_ms, now_s):
            return False
        if ts is not None and ts != self._ts:
            self._ts, self._ts_s = ts, now_s
        if any(abs(value) > self._most_a for value in measured):
            self._mad_s = now_s
            return False
        self._heard_s = now_s
        # Anything that moves is life: a house may draw the same whole amperes for hours (C5).
        said = (*currents, reading.power_w, reading.import_energy_wh, reading.export_energy_wh)
        if said != self._said:
            self._said, self._changed_s = said, now_s
        self._last = values = self._directed(measured, reading)
        overload = False
        for phase, value in zip(PHASES, values, strict=True):
            over = self._estimate(phase, value, drawn.get(phase, Drawn()), now_s, phase in self._over)
            overload = overload or over
            (self._over.add if over else self._over.discard)(phase)
        self._judge(values, drawn, now_s)
        return overload

    def _directed(self, measured: Sequence[float], reading: GridTelemetry) -> tuple[float, ...]:
        if reading.power_w is None or not self.meter.solar:
            return tuple(measured)
        said = (reading.voltage_l1_v, reading.voltage_l2_v, reading.voltage_l3_v)
        voltages = [self.meter.voltage_v if volts is None else volts for volts in said]
        step_a = 1.0 if all(value == int(value) for value in measured) else 0.1
        values = directed(measured, voltages, reading.power_w, step_a)
        self.directions_by_power = values != list(measured)
        return tuple(values)

    def _is_old(self, ts: int, utc_ms: int, now_s: float) -> bool:
        """Tell whether a reading says what was, and not what is: then it is none."""
        age_s = (utc_ms - ts) / 1000
        words = ""
        if not -AHEAD_S <= age_s <= self.meter.silent_s:
            when = f"{age_s:.0f} s old" if age_s > 0 else f"{-age_s:.0f} s ahead of this computer's clock"
            words = f"its readings are {when}; is its clock right?"
        elif self._ts is not None and ts < self._ts and now_s - self._ts_s <= self.meter.silent_s:
            # Should its clock have been set back, there are no others: then they count after a while.
            words = "its readings come in the wrong order"
        if words:
            self._old_s, self._old_words = now_s, words
        return bool(words)

    def _estimate(self, phase: str, value: float, drawn: Drawn, now_s: float, was_over: bool) -> bool:
        state = self._phases[phase]
        whole = self.meter.measures is Measures.CIRCUIT
        self.export_a[phase] = max(0.0, -value)
        if not whole:
            state.other_a, over = value, False
        elif value > self._limit_a:
            # Really too much: what the chargers are not known to draw is somebody else's.
            state.other_a, over = value - drawn.newest_a, True
        else:
            # Chargers and meter are read at different moments: believe only what any pair of moments would show.
            state.other_a = min(max(state.other_a, value - drawn.most_a), value - drawn.least_a)
            over = False
        alone, state.alone = state.alone, None
        if over and not was_over:
            # One reading beyond the fuse may be an error of the meter's: the next one tells.
            state.alone = (now_s, state.other_a)
            return over
        if over and alone is not None:
            _remember(state.highest, *alone)
        _remember(state.highest, now_s, state.other_a)
        return over

    def _judge(self, values: Sequence[float], drawn: Mapping[str, Drawn], now_s: float) -> None:
        low = ""
        if self.meter.measures is Measures.CIRCUIT and not self.meter.solar:
            for phase, value in zip(PHASES, values, strict=True):
                least_a = drawn.get(phase, Drawn()).least_a
                if value < least_a - NOISE_A - NOISE_SHARE * least_a:
                    low = f"it reads {value:.1f} A on {phase} while the chargers alone draw {least_a:.1f} A"
                    break
        elif not self.meter.solar and min(values) < -NOISE_A:
            low = f"it reads {min(values):.1f} A although nothing here feeds in"
        if not low:
            self._low_s, self._low_words = None, ""
        else:
            self._low_s, self._low_words = self._low_s if self._low_s is not None else now_s, low
        if self.meter.measures is Measures.CIRCUIT:
            self._following.take(sum(values), sum(each.newest_a for each in drawn.values()), now_s)

    @property
    def delay_s(self) -> float | None:
        """How late it answered when a car began or ended, None if that is not known yet. s."""
        return self._following.delay_s

    def trouble(self, now_s: float) -> str | None:
        """Say why the meter cannot be believed, None if it can."""
        name = self.meter.name
        if self._mad_s is not None and (self._heard_s is None or self._mad_s > self._heard_s):
            return f"grid meter {name} reads more than {self._most_a:.0f} A, which cannot be"
        silent_s = None if self._heard_s is None else now_s - self._heard_s
        if silent_s is None or silent_s > self.meter.silent_s:
            if self._old_s is not None and now_s - self._old_s <= self.meter.silent_s:
                return f"grid meter {name}: {self._old_words}"
            if silent_s is None:
                return f"grid meter {name} has not said anything yet"
            return f"grid meter {name} has been silent for {silent_s:.0f} s"
        if self._ts is not None and now_s - self._ts_s > max(STALE_S, self.meter.silent_s):
            return f"grid meter {name} repeats a reading of {now_s - self._ts_s:.0f} s ago"
        if now_s - self._changed_s > FROZEN_S:
            return f"grid meter {name} has not changed by a digit for {now_s - self._changed_s:.0f} s: it is frozen"
        if self._following.reversed:
            return (
                f"grid meter {name} has fallen each time that the chargers drew more: if it is mounted the other way "
                "round, tell grid_meter so (inverted = true)"
            )
        if self._low_s is not None and now_s - self._low_s >= BELIEF_S:
            return f"grid meter {name}: {self._low_words}"
        return None

    def other_a(self, phase: str, now_s: float) -> float:
        """Return other loads on a phase: the highest of the last half minute. Negative when the sun feeds in. A."""
        state = self._phases[phase]
        window = state.highest
        while len(window) > 1 and now_s - window[0][0] > CALM_S:
            window.popleft()
        highest_a = window[0][1] if window else 0.0
        return highest_a if state.alone is None else max(highest_a, state.alone[1])

    def is_alone(self, phase: str) -> bool:
        """Tell whether the newest reading of a phase is above the fuse, and the one before was not."""
        return self._phases[phase].alone is not None

    def newest_a(self, phase: str) -> float | None:
        """Return the newest reading of a phase. A."""
        return None if self._last is None else self._last[PHASES.index(phase)]


def _remember(window: deque[tuple[float, float]], at_s: float, value: float) -> None:
    while window and window[-1][1] <= value:
        window.pop()
    window.append((at_s, value))
