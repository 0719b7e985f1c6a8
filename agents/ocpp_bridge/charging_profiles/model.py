"""What a charging profile is. Times are UTC in milliseconds, offsets and durations in seconds."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Purpose(StrEnum):
    """What a profile limits (3.13.1). The words of OCPP 1.6."""

    CHARGE_POINT_MAX = "ChargePointMaxProfile"
    """The whole charge point: installed for connector 0 only."""
    TX_DEFAULT = "TxDefaultProfile"
    """Every transaction that has no profile of its own."""
    TX = "TxProfile"
    """One transaction; gone with it."""


class Kind(StrEnum):
    """What a schedule's beginning is (7.8)."""

    ABSOLUTE = "Absolute"
    """``start_ms``; the start of charging if there is none."""
    RECURRING = "Recurring"
    """``start_ms`` and every day or week after it."""
    RELATIVE = "Relative"
    """The start of charging, whatever ``start_ms`` says: some backends send one with every profile."""


class Recurrence(StrEnum):
    """How often a recurring schedule begins anew."""

    DAILY = "Daily"
    WEEKLY = "Weekly"

    @property
    def interval_s(self) -> int:
        """Distance of two beginnings. s."""
        return 86_400 if self is Recurrence.DAILY else 604_800


class RateUnit(StrEnum):
    """Unit of a schedule's limits: amperes per phase, or watts of all phases together."""

    A = "A"
    W = "W"


@dataclass(frozen=True, slots=True)
class Period:
    """One step of a schedule: it lasts until the next one begins."""

    start_s: int
    """Seconds after the schedule's beginning."""
    limit: float
    """In the schedule's unit."""
    number_phases: int | None = None
    """What the backend assumes; passed on in composite schedules, never calculated with."""


@dataclass(frozen=True, slots=True)
class ChargingSchedule:
    """Limits over time."""

    unit: RateUnit
    periods: tuple[Period, ...]
    """In the order of time; the first begins at 0."""
    start_ms: int | None = None
    """Beginning, for absolute and recurring schedules."""
    duration_s: int | None = None
    """Length; None for an end that does not come."""
    min_charging_rate: float | None = None
    """Kept for the backend; a car that cannot go so low pauses by itself."""


@dataclass(frozen=True, slots=True)
class ChargingProfile:
    """One profile as a backend has sent it."""

    profile_id: int
    stack_level: int
    """The highest of those that say something wins."""
    purpose: Purpose
    kind: Kind
    schedule: ChargingSchedule
    recurrence: Recurrence | None = None
    transaction_id: int | None = None
    """Transaction that a :attr:`Purpose.TX` profile is for; None for whichever is going on."""
    valid_from_ms: int | None = None
    valid_to_ms: int | None = None


def contradiction(profile: ChargingProfile) -> str | None:
    """Return what a profile contradicts itself in, in words, or None."""
    schedule, periods = profile.schedule, profile.schedule.periods
    if not periods:
        return "the schedule has no period"
    if periods[0].start_s != 0:
        return f"the first period begins at {periods[0].start_s} s, not at 0"
    for before, after in pairwise(periods):
        if after.start_s <= before.start_s:
            return f"a period at {after.start_s} s follows one at {before.start_s} s"
    for period in periods:
        if not 0 <= period.limit < float("inf"):
            return f"the limit of the period at {period.start_s} s is {period.limit}"
    if schedule.duration_s is not None and schedule.duration_s <= 0:
        return f"the schedule lasts {schedule.duration_s} s"
    if profile.stack_level < 0:
        return f"the stack level is {profile.stack_level}"
    if profile.kind is Kind.RECURRING and (profile.recurrence is None or schedule.start_ms is None):
        return "a recurring profile needs recurrencyKind and startSchedule"
    if profile.transaction_id is not None and profile.purpose is not Purpose.TX:
        return f"a transactionId belongs to a TxProfile, not to a {profile.purpose}"
    valid_from_ms, valid_to_ms = profile.valid_from_ms, profile.valid_to_ms
    if valid_from_ms is not None and valid_to_ms is not None and valid_from_ms >= valid_to_ms:
        return "validTo is not after validFrom"
    return None
