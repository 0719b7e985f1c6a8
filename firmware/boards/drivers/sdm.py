"""Eastron SDM630 and SDM120: input registers with big-endian floats (facts of Eastron's Modbus protocol documents).

Per phase V from 0x00 and A from 0x06, W in 0x34 (three phases) or 0x0C (one), kWh imported in 0x48 and exported in
0x4A. A meter whose supply is at its outgoing terminals exports what the car takes: then that counts, and its power is
taken the other way round.
"""

import struct

from .modbus_meter import ModbusMeter
from .reading import MAX_CURRENT_A, MAX_ENERGY_KWH, MAX_POWER_W, MAX_VOLTAGE_V, Reading, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .modbus import ModbusMaster

SDM630_READS = ((0x00, 0x36),)
"""V, A and W in one question; the answer for the energy differs in length, so that none is taken for the other."""
SDM120_READS = ((0x00, 2), (0x06, 2), (0x0C, 2))
"""One by one: what stands between these registers, the SDM120 does not have."""
IMPORTED, EXPORTED = (0x48, 2), (0x4A, 2)
"""Where the energy is. kWh."""


def sdm630(master: "ModbusMaster", slave: int, phases: int, inverted: bool, now_ms: int) -> ModbusMeter:
    """Return a driver for the first ``phases`` of an SDM630; ``inverted``: it is connected the wrong way round."""

    def decode(answers: "list[bytes]") -> "Reading | None":
        values = struct.unpack(">27f", answers[0])
        power_w = -values[0x1A] if inverted else values[0x1A]
        return _reading(values[:phases], values[3 : 3 + phases], power_w, answers[1])

    return ModbusMeter(master, slave, _with_energy(SDM630_READS, inverted), decode, now_ms)


def sdm120(master: "ModbusMaster", slave: int, inverted: bool, now_ms: int) -> ModbusMeter:
    """Return a driver for an SDM120, which has one phase; ``inverted``: it is connected the wrong way round."""

    def decode(answers: "list[bytes]") -> "Reading | None":
        voltage_v, current_a, power_w = [struct.unpack(">f", answer)[0] for answer in answers[:3]]
        return _reading((voltage_v,), (current_a,), -power_w if inverted else power_w, answers[3])

    return ModbusMeter(master, slave, _with_energy(SDM120_READS, inverted), decode, now_ms)


def _with_energy(reads: "tuple[tuple[int, int], ...]", inverted: bool) -> "tuple[tuple[int, int], ...]":
    return reads + (EXPORTED if inverted else IMPORTED,)


def watt_hours(energy_kwh: bytes) -> int:
    """Return the whole Wh of a positive big-endian float of kWh, to the nearest.

    In whole numbers, because a float of ESP32 has 24 bits: beyond 8.4 MWh it would be 1 Wh off.
    """
    bits = int.from_bytes(energy_kwh, "big")
    exponent = (bits >> 23 & 0xFF) - 150
    thousandfold = (bits & 0x7FFFFF | 0x800000) * 1000
    if exponent >= 0:
        return thousandfold << exponent
    return ((thousandfold >> (-exponent - 1)) + 1) >> 1


def _reading(
    voltage_v: "tuple[float, ...]", current_a: "tuple[float, ...]", power_w: float, energy: bytes
) -> "Reading | None":
    for value in voltage_v:
        if not within(value, 0.0, MAX_VOLTAGE_V):
            return None
    for value in current_a:
        if not within(value, -MAX_CURRENT_A, MAX_CURRENT_A):
            return None
    energy_kwh = struct.unpack(">f", energy)[0]
    if not within(power_w, -MAX_POWER_W, MAX_POWER_W) or not within(energy_kwh, 0.0, MAX_ENERGY_KWH):
        return None
    # The sign of a current is the direction of its power; what may flow is a matter of its size.
    size_a = tuple([abs(value) for value in current_a])
    return Reading(tuple(voltage_v), size_a, power_w, watt_hours(energy))
