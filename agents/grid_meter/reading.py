"""What a meter has measured, as a reading of the site: phases, signs, and whether it can be one at all. Pure."""

import math

from agents.grid_meter.measured import Measured
from agents.grid_meter.settings import PHASES, MeterSettings
from bus_schema.balancing import GridTelemetry

HIGHEST_V = 1000.0
HIGHEST_A = 10_000.0
HIGHEST_W = 10_000_000.0
"""Beyond these no meter of a site's supply measures anything: words are swapped or another device answers."""


class BadReading(Exception):
    """What was read cannot be published; the text says why and what to do."""


def reading(measured: Measured, settings: MeterSettings, read_ms: int) -> GridTelemetry:
    """Return the reading of ``measured``, taken at ``read_ms`` (UTC in ms).

    Most meters give currents without a sign: it is that of the phase's power. A missing current, voltage or power
    makes the whole reading one that is not published: nothing stands in for it. A phase that the meter does not
    measure stays unknown.

    Raises :class:`BadReading`.
    """
    turn = -1.0 if settings.inverted else 1.0
    currents: dict[str, float] = {}
    voltages: dict[str, float] = {}
    for index, phase in enumerate(settings.phase_order or PHASES[: len(measured.currents_a)]):
        voltages[phase] = _within(measured.voltages_v[index], 0.0, HIGHEST_V, f"voltage {index + 1}")
        power = _within(measured.powers_w[index], -HIGHEST_W, HIGHEST_W, f"power {index + 1}")
        current = _within(measured.currents_a[index], -HIGHEST_A, HIGHEST_A, f"current {index + 1}")
        currents[phase] = math.copysign(abs(current), power * turn) if power else current * turn
    if not any(voltages.values()):
        raise BadReading("all voltages are 0: another device answers, or the driver is the wrong one")
    energies = [_whole(each) for each in (measured.import_wh, measured.export_wh)]
    if settings.inverted:
        energies.reverse()
    return GridTelemetry(
        ts=read_ms,
        current_l1_a=currents.get("L1"),
        current_l2_a=currents.get("L2"),
        current_l3_a=currents.get("L3"),
        voltage_l1_v=voltages.get("L1"),
        voltage_l2_v=voltages.get("L2"),
        voltage_l3_v=voltages.get("L3"),
        power_w=_within(measured.power_w, -HIGHEST_W, HIGHEST_W, "power") * turn,
        import_energy_wh=energies[0],
        export_energy_wh=energies[1],
    )


def _within(value: float | None, lowest: float, highest: float, what: str) -> float:
    if value is None:
        raise BadReading(f"the meter has no value for {what}: check its wiring and the driver")
    if not lowest <= value <= highest:
        raise BadReading(f"{what} cannot be true: check the driver, and for Modbus try words_swapped = true")
    return value


def _whole(energy_wh: float | None) -> int | None:
    return None if energy_wh is None or not 0 <= energy_wh < 2**53 else round(energy_wh)
