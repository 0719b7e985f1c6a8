"""How a Modbus meter's registers become numbers. Pure."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from agents.grid_meter.measured import Measured

MAX_REGISTERS = 125
"""Most registers that one Modbus request may ask for (Modbus Application Protocol 1.1b3, 6.3)."""


class Kind(Enum):
    """Type of a value: format of :mod:`struct`, number of registers, and what stands for "no value"."""

    FLOAT32 = ("f", 2, None)
    FLOAT64 = ("d", 4, None)
    UINT16 = ("H", 1, 0xFFFF)
    UINT32 = ("I", 2, 0xFFFF_FFFF)
    INT32 = ("i", 2, None)
    INT64 = ("q", 4, None)
    UINT64 = ("Q", 4, 0xFFFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a meter's memory."""

    address: int
    """First register, counted from 0 as on the wire."""
    kind: Kind
    """Its type."""
    scale: float = 1.0
    """What the raw number is multiplied with to give A, V, W, Wh or Hz."""

    @property
    def count(self) -> int:
        """How many registers it fills."""
        count: int = self.kind.value[1]
        return count


@dataclass(frozen=True, slots=True)
class ModbusDriver:
    """What to read from a kind of meter."""

    title: str
    """Maker and models."""
    source: str
    """Document that the addresses are from."""
    holding: bool
    """Whether they are holding registers (function 3); else input registers (function 4)."""
    currents: tuple[Value, ...]
    """Of its phases, one or three. A."""
    voltages: tuple[Value, ...]
    """Between phase and neutral. V."""
    phase_powers: tuple[Value, ...]
    """Of its phases, positive into the site. W."""
    power: Value
    """Of all phases. W."""
    import_energy: Value
    """Wh."""
    export_energy: Value
    """Wh."""
    low_word_first: bool = False
    """Whether the least significant register of a value comes first."""
    largest_gap: int = 16
    """So many registers between two values may be read with them; 0 for a meter that refuses those it does not have."""

    @property
    def phases(self) -> int:
        """How many phases it measures."""
        return len(self.currents)

    def values(self) -> tuple[Value, ...]:
        """Return everything that is read."""
        phases = (*self.currents, *self.voltages, *self.phase_powers)
        return (*phases, self.power, self.import_energy, self.export_energy)


def measured(driver: ModbusDriver, words: Mapping[int, int], words_swapped: bool) -> Measured:
    """Return what stands in these registers. ``words_swapped``: this meter has the words of a value the other way."""

    def number(value: Value) -> float | None:
        return decode(value, words, driver.low_word_first != words_swapped)

    return Measured(
        currents_a=tuple(number(each) for each in driver.currents),
        voltages_v=tuple(number(each) for each in driver.voltages),
        powers_w=tuple(number(each) for each in driver.phase_powers),
        power_w=number(driver.power),
        import_wh=number(driver.import_energy),
        export_wh=number(driver.export_energy),
    )


def blocks(values: Sequence[Value], gap: int) -> list[tuple[int, int]]:
    """Return (address, count) of as few requests as read all values; at most ``gap`` registers between are read too."""
    found: list[tuple[int, int]] = []
    for value in sorted(values, key=lambda each: each.address):
        end = value.address + value.count
        if found:
            start, count = found[-1]
            if value.address <= start + count + gap and end - start <= MAX_REGISTERS:
                found[-1] = (start, max(count, end - start))
                continue
        found.append((value.address, value.count))
    return found


def decode(value: Value, words: Mapping[int, int], low_word_first: bool) -> float | None:
    """Return the value in A, V, W or Wh; None where the meter says that it has none (NaN, 0xFFFFFFFF, 0x80000000)."""
    code, count, missing = value.kind.value
    raw = [words[value.address + number] for number in range(count)]
    data = struct.pack(f">{count}H", *(reversed(raw) if low_word_first else raw))
    number: float = struct.unpack(f">{code}", data)[0]
    if not math.isfinite(number) or number == missing:
        return None
    if value.kind in (Kind.INT32, Kind.INT64) and data[0] in (0x80, 0x7F) and set(data[1:]) in ({0x00}, {0xFF}):
        return None
    return number * value.scale
