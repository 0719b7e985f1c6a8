"""Charging profiles as OCPP 1.6 writes them (7.8, 7.13): payload of a CALL ↔ value.

Payloads have passed the schema already, so that only what the schema cannot say is checked here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agents.ocpp_bridge.charging_profiles import (
    ChargingProfile,
    ChargingSchedule,
    CompositePeriod,
    Kind,
    Period,
    ProfileRefused,
    Purpose,
    RateUnit,
    Recurrence,
    Supply,
)


def read_profile(payload: Mapping[str, Any]) -> ChargingProfile:
    """Return the profile of a ``csChargingProfiles`` or ``chargingProfile``.

    Raises :class:`ProfileRefused` for a time that is none.
    """
    recurrence = payload.get("recurrencyKind")
    return ChargingProfile(
        profile_id=payload["chargingProfileId"],
        stack_level=payload["stackLevel"],
        purpose=Purpose(payload["chargingProfilePurpose"]),
        kind=Kind(payload["chargingProfileKind"]),
        schedule=_read_schedule(payload["chargingSchedule"]),
        recurrence=None if recurrence is None else Recurrence(recurrence),
        transaction_id=payload.get("transactionId"),
        valid_from_ms=_read_time(payload, "validFrom"),
        valid_to_ms=_read_time(payload, "validTo"),
    )


def write_profile(profile: ChargingProfile) -> dict[str, Any]:
    """Return the payload of a profile, for keeping it; :func:`read_profile` reads it back the same."""
    schedule = profile.schedule
    return {
        "chargingProfileId": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose.value,
        "chargingProfileKind": profile.kind.value,
        **_given(
            transactionId=profile.transaction_id,
            recurrencyKind=None if profile.recurrence is None else profile.recurrence.value,
            validFrom=_write_time(profile.valid_from_ms),
            validTo=_write_time(profile.valid_to_ms),
        ),
        "chargingSchedule": {
            "chargingRateUnit": schedule.unit.value,
            "chargingSchedulePeriod": [
                {
                    "startPeriod": period.start_s,
                    "limit": period.limit,
                    **_given(numberPhases=period.number_phases),
                }
                for period in schedule.periods
            ],
            **_given(
                duration=schedule.duration_s,
                startSchedule=_write_time(schedule.start_ms),
                minChargingRate=schedule.min_charging_rate,
            ),
        },
    }


def write_composite(
    periods: Sequence[CompositePeriod], begin_ms: int, duration_s: int, unit: RateUnit, supply: Supply
) -> dict[str, Any]:
    """Return the ``chargingSchedule`` of a GetCompositeSchedule.conf. Limits have one decimal, rounded down."""
    return {
        "duration": duration_s,
        "startSchedule": _write_time(begin_ms),
        "chargingRateUnit": unit.value,
        "chargingSchedulePeriod": [
            {
                "startPeriod": period.start_s,
                "limit": int(supply.in_unit(period.current_a, unit) * 10 + 1e-6) / 10,
                **_given(numberPhases=period.number_phases),
            }
            for period in periods
        ],
    }


def _read_schedule(payload: Mapping[str, Any]) -> ChargingSchedule:
    return ChargingSchedule(
        unit=RateUnit(payload["chargingRateUnit"]),
        periods=tuple(
            Period(period["startPeriod"], float(period["limit"]), period.get("numberPhases"))
            for period in payload["chargingSchedulePeriod"]
        ),
        start_ms=_read_time(payload, "startSchedule"),
        duration_s=payload.get("duration"),
        min_charging_rate=payload.get("minChargingRate"),
    )


def _read_time(payload: Mapping[str, Any], key: str) -> int | None:
    """Return a time in milliseconds; one without an offset is UTC (3.14)."""
    text = payload.get(key)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ProfileRefused(f"{key} is not a time") from None
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _write_time(time_ms: int | None) -> str | None:
    if time_ms is None:
        return None
    # With its milliseconds: what is kept must read back as the same instant.
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
