"""Peacefair PZEM-004T v3: one phase, ten input registers from 0; two-register values have the low one first.

V/10, A/1000 (2), W/10 (2), Wh (2), Hz/10, power factor/100, alarm. The manual's ranges are the limits here.
"""

import struct

from .modbus_meter import ModbusMeter
from .reading import Reading, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .modbus import ModbusMaster

READS = ((0x00, 10),)
MAX_VOLTAGE_V, MAX_CURRENT_A, MAX_POWER_W = 300.0, 100.0, 25_000.0


def pzem004t(master: "ModbusMaster", slave: int, now_ms: int) -> ModbusMeter:
    """Return a driver for a PZEM-004T v3."""
    return ModbusMeter(master, slave, READS, _decode, now_ms)


def _decode(answers: "list[bytes]") -> "Reading | None":
    words = struct.unpack(">10H", answers[0])
    voltage_v = words[0] / 10
    current_a = (words[1] | words[2] << 16) / 1000
    power_w = (words[3] | words[4] << 16) / 10
    energy_wh = words[5] | words[6] << 16
    if (
        not within(voltage_v, 0.0, MAX_VOLTAGE_V)
        or not within(current_a, 0.0, MAX_CURRENT_A)
        or not within(power_w, 0.0, MAX_POWER_W)
    ):
        return None
    return Reading((voltage_v,), (current_a,), power_w, energy_wh)
