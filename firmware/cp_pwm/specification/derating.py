"""How much of the current the temperature in the enclosure allows."""

from dataclasses import dataclass

from firmware.cp_pwm.specification.instants import LONG_AGO, NEVER
from firmware.cp_pwm.specification.signals import UNKNOWN_MC

HALF_MC, QUARTER_MC, STOP_MC, RESTORE_MC = 65_000, 68_000, 71_000, 62_000
"""Half the rating, a quarter, nothing; all of it again at the last (OE). Thousandths of a °C."""

PLAUSIBLE_MC = (-40_000, 125_000)
"""What such a sensor can measure; anything else is a broken one, and not known (ours). Thousandths of a °C."""

UNKNOWN_AFTER_MS = 30_000
"""After so long without a plausible temperature none is known. An enclosure takes minutes to warm: one that was cool
30 s ago is not too hot now, and a sensor may fail to answer once (ours). ms."""

COOL, HALF, QUARTER, STOP = 0, 1, 2, 3
"""Steps of derating."""


def is_plausible(temperature_mc: int) -> bool:
    """Return whether a working sensor can have measured this."""
    return PLAUSIBLE_MC[0] <= temperature_mc <= PLAUSIBLE_MC[1]


def step_at(temperature_mc: int, before: int) -> int:
    """Return the step at a temperature: it only rises until all of the current is given back in one step."""
    if temperature_mc <= RESTORE_MC:
        return COOL
    if temperature_mc >= STOP_MC:
        return STOP
    if temperature_mc >= QUARTER_MC:
        return max(before, QUARTER)
    return max(before, HALF) if temperature_mc >= HALF_MC else before


@dataclass(slots=True)
class Derating:
    """Watches the temperature.

    Ours: where it is not known, after boot too, a quarter of the rating is allowed at most, and nothing while the last
    known temperature forbids it. A sensor that has failed strands no car that way, and a sixteenth of the heat that
    the enclosure is built for (it goes with the square of the current) harms nothing in it. A board that has no sensor
    must declare it (:attr:`signals.Board.has_temperature`): then nothing is derated.
    """

    fitted: bool
    """The board has a sensor."""
    rated_ma: int
    """What is allowed when cool. mA."""
    derated_ma: int = 0
    """Most that the temperature allows. mA."""
    too_hot: bool = False
    """Nothing is allowed."""
    unknown: bool = False
    """There is a sensor and nothing is known from it."""
    _step: int = COOL
    _known_ms: int = LONG_AGO
    _taken: tuple[int, int] = (UNKNOWN_MC, LONG_AGO)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.unknown = self.fitted
        self._allow()

    def tick(self, now_ms: int, temperature_mc: int, temperature_ms: int) -> None:
        """Take in the temperature that was handed in at ``temperature_ms``."""
        taken = temperature_mc, temperature_ms
        if taken == self._taken and (self.unknown or now_ms - self._known_ms <= UNKNOWN_AFTER_MS):
            return
        self._taken = taken
        if not self.fitted:
            return
        if is_plausible(temperature_mc):
            self._step = step_at(temperature_mc, self._step)
            self._known_ms = temperature_ms
        self.unknown = now_ms - self._known_ms > UNKNOWN_AFTER_MS
        self._allow()

    def _allow(self) -> None:
        self.too_hot = self._step == STOP
        step = max(self._step, QUARTER) if self.unknown else self._step
        self.derated_ma = 0 if self.too_hot else self.rated_ma >> step

    def changes_at(self, temperature_mc: int) -> bool:
        """Whether a temperature handed in now would make a difference at once."""
        return is_plausible(temperature_mc) and (self.unknown or step_at(temperature_mc, self._step) != self._step)

    def deadline_ms(self, temperature_mc: int, temperature_ms: int) -> int:
        """Instant at which nothing is known any more, with the last temperature so far."""
        if self.unknown or not self.fitted:
            return NEVER
        return (temperature_ms if is_plausible(temperature_mc) else self._known_ms) + UNKNOWN_AFTER_MS + 1
