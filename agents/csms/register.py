"""Lifetime registers (invariant 11) out of what stations say. Pure.

A station's register may begin anew (another meter, a reset) and stations repeat old messages. The lifetime register
never goes back; where a register has begun anew it goes on from where it was.
"""

from agents.csms.state import Register

MOST_WH = 9_007_199_254_740_991
"""Largest register of the contract."""


def begins(register: Register | None, raw_wh: int, ts: int) -> tuple[Register, int, bool]:
    """Take the station's register at the start of a transaction.

    Returns the register from now on, the lifetime register at that start, and whether the station's has begun anew. A
    value below zero is not believed: the last one counts.
    """
    if register is None:
        start = max(0, raw_wh)
        return Register(raw_wh=start, energy_wh=start, ts=ts), start, False
    if raw_wh < 0 or raw_wh - register.raw_wh > MOST_WH - register.energy_wh:
        return register, register.energy_wh, False
    if raw_wh >= register.raw_wh:
        energy_wh = register.energy_wh + raw_wh - register.raw_wh
        return Register(raw_wh=raw_wh, energy_wh=energy_wh, ts=max(ts, register.ts)), energy_wh, False
    if ts < register.ts:
        # An old message: what came after it is known already.
        return register, max(0, register.energy_wh - (register.raw_wh - raw_wh)), False
    return Register(raw_wh=raw_wh, energy_wh=register.energy_wh, ts=ts), register.energy_wh, True


def reads(register: Register | None, raw_wh: int, ts: int) -> Register | None:
    """Take a sample outside a transaction's start; one that is lower than another is not believed."""
    if raw_wh < 0 or raw_wh > MOST_WH:
        return register
    if register is None:
        return Register(raw_wh=raw_wh, energy_wh=raw_wh, ts=ts)
    if raw_wh < register.raw_wh or raw_wh - register.raw_wh > MOST_WH - register.energy_wh:
        return register
    energy_wh = register.energy_wh + raw_wh - register.raw_wh
    return Register(raw_wh=raw_wh, energy_wh=energy_wh, ts=max(ts, register.ts))


def lifetime_wh(start_energy_wh: int, meter_start_wh: int, raw_wh: int, at_least_wh: int) -> int:
    """Return the lifetime register for a reading within a transaction, never below ``at_least_wh``."""
    energy_wh = start_energy_wh + raw_wh - max(0, meter_start_wh)
    return at_least_wh if energy_wh > MOST_WH else max(at_least_wh, energy_wh)
