"""The ``pilot`` of the hardware seam on MicroPython: the native module ``cp_pwm``."""

from array import array

import cp_pwm  # type: ignore[import-not-found]

_STATES = ("A", "B", "C", "D", "E", "F", "unknown")

FAULTS = (
    "pilot_short",
    "diode_missing",
    "ventilation_required",
    "cable_short",
    "residual_current",
    "residual_current_self_test",
    "contactor_welded",
    "contactor_stuck_open",
    "heartbeat_lost",
    "over_temperature",
    "emergency_stop",
    "ground_lost",
)
"""The contract's word for each bit of the module's faults, lowest first; as in ``cp_pwm/specification/faults.py``."""


def fault_words(bits: int) -> "tuple[str, ...]":
    """Return the words for the bits that are set."""
    return tuple([FAULTS[bit] for bit in range(len(FAULTS)) if bits >> bit & 1])


class NativeSnapshot:
    """The control pilot and contactor at one moment; its voltages are the newest ones whenever they are asked for."""

    def __init__(self, words: "array[int]") -> None:
        self._words = words
        self.change_count = words[cp_pwm.CHANGES]
        self.cp_state = _STATES[words[cp_pwm.STATE]]
        self.contactor_closed = words[cp_pwm.CLOSED] == 1
        self.cable_a = words[cp_pwm.CABLE_MA] / 1000
        self.offered_current_a = words[cp_pwm.OFFERED_MA] / 1000
        self.derated_a = words[cp_pwm.DERATED_MA] / 1000
        self.faults = fault_words(words[cp_pwm.FAULTS])
        self.locked = fault_words(words[cp_pwm.LOCKED])

    @property
    def duty_percent(self) -> float:
        """Duty cycle; 100 without PWM, 0 while state F is shown. %."""
        return float(self._words[cp_pwm.DUTY] / 10)

    @property
    def cp_high_v(self) -> float:
        """Positive plateau. V."""
        return float(self._words[cp_pwm.HIGH_MV] / 1000)

    @property
    def cp_low_v(self) -> "float | None":
        """Negative plateau, None without PWM. V."""
        return self._words[cp_pwm.LOW_MV] / 1000 if self.offered_current_a else None


class NativePilot:
    """Hands the application's wishes to the safety loop, and its reports to the application. Allocates on changes only.

    There is one in a chip. To make another after the interpreter has restarted withdraws what was asked for before.
    """

    def __init__(
        self,
        rated_a: float,
        tethered: bool = False,
        has_mirror: bool = True,
        has_residual_test: bool = True,
        simplified_cap_a: float = 0.0,
        has_temperature: bool = True,
        has_disconnect: bool = False,
        has_emergency_stop: bool = False,
        has_ground_monitor: bool = False,
    ) -> None:
        """Say what the board is. Raises :class:`ValueError` when it is not the one of an earlier start: power-cycle it.

        ``simplified_cap_a``: most that a car is offered which shows no state B; 0 for no such cap. ``has_…``: what is
        wired to the native module.
        """
        cp_pwm.init(
            int(rated_a * 1000),
            tethered=tethered,
            has_mirror=has_mirror,
            has_residual_test=has_residual_test,
            simplified_cap_ma=int(simplified_cap_a * 1000),
            has_temperature=has_temperature,
            has_disconnect=has_disconnect,
            has_emergency_stop=has_emergency_stop,
            has_ground_monitor=has_ground_monitor,
        )
        self._words = array("i", bytes(4 * cp_pwm.WORDS))
        cp_pwm.snapshot(self._words)
        self._snapshot = NativeSnapshot(self._words)

    def snapshot(self) -> NativeSnapshot:
        """Return how it is now."""
        cp_pwm.snapshot(self._words)
        if self._words[cp_pwm.CHANGES] != self._snapshot.change_count:
            self._snapshot = NativeSnapshot(self._words)
        return self._snapshot

    def offer(self, current_a: float) -> None:
        """Offer so much per phase. Below 6 A there is no PWM: never rounded up. A."""
        cp_pwm.offer(max(0, int(current_a * 1000)))

    def permit(self, allowed: bool) -> None:
        """Let the contactor close, or end the charging."""
        cp_pwm.permit(allowed)

    def set_available(self, available: bool) -> None:
        """Show state F (False) once the contactor is open, or not (True)."""
        cp_pwm.available(available)

    def heartbeat(self) -> None:
        """Say that the application is alive."""
        cp_pwm.heartbeat()

    def temperature(self, celsius: "float | None") -> None:
        """Hand in the hottest sensor in the enclosure, None while unknown. °C."""
        unknown = celsius is None or not -100 < celsius < 1000
        cp_pwm.temperature(None if unknown else int(celsius * 1000))  # type: ignore[operator]

    def disconnect(self, off: bool) -> None:
        """Take the pilot away from the car, or give it back."""
        cp_pwm.disconnect(off)

    def clear_faults(self) -> None:
        """Try again after latched faults that may be cleared."""
        cp_pwm.clear_faults()
