"""What the charger may offer now, and why: the minimum of cable, hardware, temperature, leases and pauses."""

from .text import amperes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .leases import Leases

MIN_CURRENT_A = 6.0
"""Less cannot be told to a car (IEC 61851-1): below it the charger offers nothing."""


class Limit:
    """The smallest limit: its amperes, the word for whoever limits, and the same for an operator."""

    def __init__(self, current_a: float, limited_by: str, reason: str, possible_a: float) -> None:
        self.current_a = current_a
        self.limited_by = limited_by
        self.reason = reason
        self.possible_a = possible_a
        """What cable, hardware and temperature allow, whoever limits it further."""

    def offer_a(self) -> float:
        """What is offered: the limit, or nothing if a car cannot be told so little. Never rounded up."""
        return self.current_a if self.current_a >= MIN_CURRENT_A else 0.0


_PHYSICAL = ("cable", "hardware", "temperature")


def smallest(candidates: "list[tuple[float, str, str]]") -> Limit:
    """Return the smallest of ``(current_a, limited_by, reason)``; of equal ones the first."""
    best = candidates[0]
    possible_a = None
    for candidate in candidates:
        if candidate[0] < best[0]:
            best = candidate
        if candidate[1] in _PHYSICAL and (possible_a is None or candidate[0] < possible_a):
            possible_a = candidate[0]
    current_a, limited_by, reason = best
    if 0 < current_a < MIN_CURRENT_A:
        reason = "0 A: below the 6 A that a car needs (%s)" % reason
    return Limit(current_a, limited_by, reason, current_a if possible_a is None else possible_a)


def of_cable(cable_a: float) -> tuple[float, str, str]:
    """The limit of the cable that is plugged in; 0 means that its coding cannot be read."""
    if cable_a <= 0:
        return (0.0, "cable", "0 A: the rating of the cable cannot be read; plug it in again")
    return (cable_a, "cable", "%s: rating of the cable" % amperes(cable_a))


def of_hardware(rated_a: float, configured_a: float) -> tuple[float, str, str]:
    """The limit of the hardware and of whoever installed it."""
    if configured_a < rated_a:
        return (configured_a, "hardware", "%s: set by the installer (max_current_a)" % amperes(configured_a))
    return (rated_a, "hardware", "%s: rating of the charger" % amperes(rated_a))


def of_temperature(derated_a: float, temperature_c: float | None) -> tuple[float, str, str]:
    """What the native module allows at this temperature."""
    unknown = "the temperature in the charger is not known"
    measured = unknown if temperature_c is None else "%d °C in the charger" % round(temperature_c)
    return (derated_a, "temperature", "%s: %s" % (amperes(derated_a), measured))


def of_pause(by: str, why: str) -> tuple[float, str, str]:
    """A pause that somebody has commanded."""
    return (0.0, "pause", "0 A: paused by %s%s" % (by, ": " + why if why else ""))


def of_start_delay() -> tuple[float, str, str]:
    """The random delay at the start of a session."""
    return (0.0, "start_delay", "0 A: waits a random time, so that not all cars of a street start at once")


def of_interruption() -> tuple[float, str, str]:
    """A session that a power loss has interrupted, until it is sure that it may go on."""
    return (0.0, "power_loss", "0 A: the power was lost; charging goes on once time and meter are known")


def of_leases(leases: "Leases") -> "list[tuple[float, str, str]]":
    """The limit of all leases, in a list that is empty when there are none."""
    limit = leases.limit()
    return [] if limit is None else [limit]
