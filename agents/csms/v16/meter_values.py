"""Reads SampledValue (OCPP 1.6, 7.40): what stations of every make write into it. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ocpp.v16 import datatypes

from agents.runtime.ocpp import parse_time
from agents.runtime.ocpp.times import InvalidTime

REGISTER = "Energy.Active.Import.Register"
_PHASES = {"L1": 0, "L2": 1, "L3": 2, "L1-N": 0, "L2-N": 1, "L3-N": 2}
_KILO = {"kWh": 1000.0, "kW": 1000.0, "Wh": 1.0, "W": 1.0, "A": 1.0, "V": 1.0}


@dataclass(slots=True)
class Readings:
    """What a MeterValues tells; None is unknown."""

    ts: int | None = None
    """Of the newest register; None if there is none, or its time cannot be read."""
    register_wh: int | None = None
    current_a: list[float | None] = field(default_factory=lambda: [None, None, None])
    voltage_v: list[float | None] = field(default_factory=lambda: [None, None, None])
    power_w: float | None = None
    temperature_c: float | None = None


def read_meter_values(values: Iterable[datatypes.MeterValue]) -> Readings:
    """Return what the newest of ``values`` tell. What cannot be read is left out."""
    found = Readings()
    for value in sorted(values, key=lambda each: _time(each.timestamp) or 0):
        ts = _time(value.timestamp)
        registers: dict[str | None, float] = {}
        powers: dict[str | None, float] = {}
        for sample in value.sampled_value:
            number = _number(sample)
            if number is None:
                continue
            measurand = sample.measurand or REGISTER
            phase = None if sample.phase is None else str(sample.phase)
            if measurand == REGISTER:
                registers[phase] = number
            elif measurand == "Power.Active.Import":
                powers[phase] = number
            elif measurand == "Temperature" and -100 <= number <= 400:
                found.temperature_c = number
            elif measurand in ("Current.Import", "Voltage"):
                _of_phase(found.current_a if measurand == "Current.Import" else found.voltage_v, phase, number)
        register = _total(registers)
        if register is not None and 0 <= register <= 9_007_199_254_740_991:
            found.register_wh, found.ts = math.floor(register), ts
        power = _total(powers)
        if power is not None and abs(power) <= 10_000_000:
            found.power_w = power
    return found


def _of_phase(values: list[float | None], phase: str | None, number: float) -> None:
    if not 0 <= number <= 1000:
        return
    if phase is None:
        # Of the others it says nothing.
        values[0] = number
    elif phase in _PHASES:
        values[_PHASES[phase]] = number


def _total(by_phase: dict[str | None, float]) -> float | None:
    if None in by_phase:
        return by_phase[None]
    phases = [number for phase, number in by_phase.items() if phase in _PHASES]
    return sum(phases) if phases else None


def _number(sample: datatypes.SampledValue) -> float | None:
    if sample.format == "SignedData":
        return None
    try:
        number = float(sample.value.strip().replace(",", "."))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    unit = None if sample.unit is None else str(sample.unit)
    if sample.measurand == "Temperature":
        if unit in ("Fahrenheit", "F"):
            return (number - 32) / 1.8
        return number - 273.15 if unit == "K" else number
    return number * _KILO.get(unit or "Wh", 1.0)


def _time(text: str) -> int | None:
    try:
        return parse_time(text)
    except InvalidTime:
        return None
