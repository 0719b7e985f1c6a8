"""What a meter has measured, as it says it: by its own inputs, with its own signs. None where it has no value."""

from dataclasses import dataclass


class MeterUnreachable(Exception):
    """The meter gave no answer that can be used; the text says what to look at."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading of a meter of one or three phases."""

    currents_a: tuple[float | None, ...]
    """At each of its inputs; with or without a sign. A."""
    voltages_v: tuple[float | None, ...]
    """Between phase and neutral. V."""
    powers_w: tuple[float | None, ...]
    """Active power of each phase, positive into the site. W."""
    power_w: float | None
    """Of all phases. W."""
    import_wh: float | None
    """Lifetime register. Wh."""
    export_wh: float | None
    """Lifetime register. Wh."""
