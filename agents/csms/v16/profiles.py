"""Limits as charging profiles (OCPP 1.6, 3.13 and 7.8). Pure.

A profile holds every step down to the fallback, and the last holds for ever: a station that hears nothing more lowers
the current by itself and never raises it (invariant 3). Its schedule begins in the past, so that a station whose clock
is a little behind heeds it too.
"""

from ocpp.v16 import call, datatypes

from agents.csms.limits import rounded_down, shortened
from agents.csms.settings import Station
from agents.runtime.ocpp import format_time

CLOCK_MARGIN_MS = 300_000
"""How far a station's clock may be behind. ms."""

PROFILE_ID = 4711
"""chargingProfileId of the first connector's profile; each connector has its own (ids are the station's, 7.8)."""

_PURPOSES = {
    "tx_default": "TxDefaultProfile",
    "tx_profile": "TxDefaultProfile",
    "charge_point_max": "ChargePointMaxProfile",
}


def requests(
    station: Station, connector: int, steps: tuple[tuple[int, float], ...], transaction_id: int | None
) -> list[call.SetChargingProfile]:
    """Return what to send for a schedule of :func:`agents.csms.limits.schedule`: one profile, or two.

    Stations with ``limits = "tx_profile"`` get one for the transaction that is going on, and one for the next.
    """
    schedule = _schedule(station, shortened(steps, station.schedule_periods))
    purpose = _PURPOSES[station.limits]
    at = 0 if purpose == "ChargePointMaxProfile" else connector
    found = [_request(at, PROFILE_ID + connector, purpose, schedule, None)]
    if station.limits == "tx_profile" and transaction_id is not None:
        # First, because it is this one that counts now.
        found.insert(0, _request(connector, PROFILE_ID + 100 + connector, "TxProfile", schedule, transaction_id))
    return found


def _request(
    connector: int,
    profile_id: int,
    purpose: str,
    schedule: datatypes.ChargingSchedule,
    transaction_id: int | None,
) -> call.SetChargingProfile:
    profile = datatypes.ChargingProfile(
        charging_profile_id=profile_id,
        stack_level=0,
        charging_profile_purpose=purpose,
        charging_profile_kind="Absolute",
        charging_schedule=schedule,
        transaction_id=transaction_id,
    )
    return call.SetChargingProfile(connector_id=connector, cs_charging_profiles=profile)


def _schedule(station: Station, steps: tuple[tuple[int, float], ...]) -> datatypes.ChargingSchedule:
    begins_ms = steps[0][0] // 1000 * 1000 - CLOCK_MARGIN_MS
    periods: list[datatypes.ChargingSchedulePeriod] = []
    for index, (from_ms, current_a) in enumerate(steps):
        # A step begins with the second that it falls into, not with the next: it lowers.
        start_s = 0 if index == 0 else (from_ms - begins_ms) // 1000
        if periods and start_s == periods[-1].start_period:
            periods.pop()
        periods.append(
            datatypes.ChargingSchedulePeriod(
                start_period=start_s, limit=_limit(station, current_a), number_phases=station.phases
            )
        )
    return datatypes.ChargingSchedule(
        charging_rate_unit=station.rate_unit,
        charging_schedule_period=periods,
        start_schedule=format_time(begins_ms),
    )


def _limit(station: Station, current_a: float) -> float:
    if station.rate_unit == "W":
        return rounded_down(current_a * station.nominal_voltage_v * station.phases)
    return rounded_down(current_a)
