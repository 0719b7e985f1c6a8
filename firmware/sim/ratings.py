"""What a virtual charger is: the ``ratings`` of the hardware seam."""

from dataclasses import dataclass

from firmware.cp_pwm.specification import Board


@dataclass(frozen=True, slots=True)
class Ratings:
    """The plate of a charger. The app reads it; it does not change."""

    hardware: str = "virtual"
    """Board profile and revision, as ``meta`` reports it."""
    phases: int = 3
    """Phases that the contactor switches, 1 to 3."""
    phase_rotation: tuple[str, ...] = ("L1", "L2", "L3")
    """Supply phase at each terminal, one entry per phase."""
    rated_current_a: int = 32
    """Largest current that may ever be offered. A."""
    tethered: bool = False
    """True with a fixed cable, False with a socket."""
    has_temperature: bool = True
    """True with a sensor in the enclosure."""
    dc_range_v: tuple[float, float] | None = None
    """Volts between which a DC output may be; None for AC."""
    capabilities: tuple[str, ...] = ("lock", "rfid", "residual_current")
    """What ``meta`` says it can do."""

    def board(self) -> Board:
        """Return what the control pilot and interlock need to know of it."""
        return Board(
            rated_ma=self.rated_current_a * 1_000,
            tethered=self.tethered,
            has_temperature=self.has_temperature,
            has_emergency_stop=True,
            has_ground_monitor=True,
        )
