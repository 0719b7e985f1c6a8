"""A meter's values as a reading of the site's supply: phases, signs, and whether it can be one at all. Pure."""

import math
from collections.abc import Mapping

from agents.grid_meter.registers import ModbusDriver, Value, decode
from agents.grid_meter.settings import MeterSettings
from bus_schema.balancing import GridTelemetry

PHASES = ("L1", "L2", "L3")

HIGHEST_V = 1000.0
HIGHEST_A = 10_000.0
HIGHEST_W = 10_000_000.0
"""Beyond these no meter of a site's supply measures anything: words are swapped or another device answers."""


class BadReading(Exception):
    """What was read cannot be published; the text says why and what to do."""


def reading(driver: ModbusDriver, words: Mapping[int, int], settings: MeterSettings, read_ms: int) -> GridTelemetry:
    """Return the reading in ``words``, taken at ``read_ms`` (UTC in ms).

    Most meters give currents without a sign: it is that of the phase's power. A missing current, voltage or power
    makes the whole reading one that is not published: nothing stands in for it.

    Raises :class:`BadReading`.
    """

    def number(value: Value) -> float | None:
        return decode(value, words, driver.low_word_first != settings.words_swapped)

    turn = -1.0 if settings.inverted else 1.0
    currents: dict[str, float] = {}
    voltages: dict[str, float] = {}
    for index, phase in enumerate(settings.phase_order):
        voltages[phase] = _within(number(driver.voltages[index]), 0.0, HIGHEST_V, f"voltage {index + 1}")
        power = _within(number(driver.phase_powers[index]), -HIGHEST_W, HIGHEST_W, f"power {index + 1}")
        current = _within(number(driver.currents[index]), -HIGHEST_A, HIGHEST_A, f"current {index + 1}")
        currents[phase] = math.copysign(abs(current), power * turn) if power else current * turn
    if not any(voltages.values()):
        raise BadReading("all voltages are 0: another device answers, or the driver is the wrong one")
    total = _within(number(driver.power), -HIGHEST_W, HIGHEST_W, "power") * turn
    energies = [_whole(number(each)) for each in (driver.import_energy, driver.export_energy)]
    if settings.inverted:
        energies.reverse()
    return GridTelemetry(
        ts=read_ms,
        current_l1_a=currents["L1"],
        current_l2_a=currents["L2"],
        current_l3_a=currents["L3"],
        voltage_l1_v=voltages["L1"],
        voltage_l2_v=voltages["L2"],
        voltage_l3_v=voltages["L3"],
        power_w=total,
        import_energy_wh=energies[0],
        export_energy_wh=energies[1],
    )


def _within(value: float | None, lowest: float, highest: float, what: str) -> float:
    if value is None:
        raise BadReading(f"the meter has no value for {what}: check its wiring and the driver")
    if not lowest <= value <= highest:
        raise BadReading(f"{what} cannot be true: check the driver, and try words_swapped = true")
    return value


def _whole(energy_wh: float | None) -> int | None:
    return None if energy_wh is None or not 0 <= energy_wh < 2**53 else round(energy_wh)
