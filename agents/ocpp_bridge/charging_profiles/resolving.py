"""What the installed profiles allow at a moment, and until when that holds.

For each purpose the highest stack level that says something at the moment leads (3.13.2): a schedule that has not
begun, has lasted its duration or is not valid says nothing, so the next lower level follows it. A TxProfile stands in
for the TxDefaultProfile, a connector's TxDefaultProfile for that of connector 0, and the charge point's maximum holds
beside them: the smaller one counts (3.13.3).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor

from agents.ocpp_bridge.charging_profiles.installing import Installed, Profiles
from agents.ocpp_bridge.charging_profiles.model import Kind, Period, Purpose, RateUnit


@dataclass(frozen=True, slots=True)
class Supply:
    """What the charger is, for turning watts into amperes."""

    phases: int
    """Phases that the charger switches. A car may use fewer, but nobody can promise that it will: a limit in watts is
    shared among all of them, so that it holds for every car."""
    voltage_v: float
    """Nominal voltage of each phase, as the charger's ``meta`` tells it."""

    def amperes(self, limit: float, unit: RateUnit) -> float:
        """Return a limit per phase in amperes, rounded down to 0.01 A."""
        if unit is RateUnit.A:
            return limit
        return floor(limit / (self.voltage_v * self.phases) * 100 + 1e-9) / 100

    def in_unit(self, current_a: float, unit: RateUnit) -> float:
        """Return a current per phase in the unit of a schedule."""
        return current_a if unit is RateUnit.A else current_a * self.voltage_v * self.phases


@dataclass(frozen=True, slots=True)
class Transaction:
    """The transaction of a connector."""

    started_ms: int
    transaction_id: int | None = None
    """None while the backend has not given one: only profiles without an id are for it then."""
    supposed: bool = False
    """No transaction is going on: this is one that might begin, without profiles of its own."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What holds from a moment on."""

    current_a: float
    """Limit per phase."""
    until_ms: int | None
    """When it may change by itself; None if it stays."""
    profile: Installed
    """The profile that limits."""
    period: Period
    """Its period."""


def resolve(
    profiles: Profiles, connector_id: int, now_ms: int, supply: Supply, transaction: Transaction | None = None
) -> Allowed | None:
    """Return what a connector is allowed at ``now_ms``, None if nothing limits it at that moment.

    Without a transaction its TxDefaultProfile is that of one which begins at ``now_ms``, so that the limit is there
    before the car is.
    """
    running = transaction or Transaction(now_ms, supposed=True)
    leading = _leading(profiles, connector_id, now_ms, running)
    if not leading:
        return None
    current_a, installed, period = min(
        (
            (supply.amperes(period.limit, installed.profile.schedule.unit), installed, period)
            for installed, period in leading
        ),
        key=lambda found: found[0],
    )
    return Allowed(current_a, next_change_ms(profiles, connector_id, now_ms, running), installed, period)


def next_change_ms(profiles: Profiles, connector_id: int, now_ms: int, transaction: Transaction) -> int | None:
    """Return the first instant after ``now_ms`` at which any profile of the connector begins, steps or ends."""
    changes = (
        change
        for installed in profiles
        if installed.connector_id in (0, connector_id)
        for change in _changes_after(installed, now_ms, transaction)
    )
    return min(changes, default=None)


def _leading(
    profiles: Profiles, connector_id: int, at_ms: int, transaction: Transaction
) -> list[tuple[Installed, Period]]:
    """Return who leads at that moment: the charge point's maximum, and one for the transaction."""
    found = []
    station = _highest(profiles, 0, Purpose.CHARGE_POINT_MAX, at_ms, transaction)
    if station is not None:
        found.append(station)
    own = None if transaction.supposed else _highest(profiles, connector_id, Purpose.TX, at_ms, transaction)
    own = own or _highest(profiles, connector_id, Purpose.TX_DEFAULT, at_ms, transaction)
    own = own or _highest(profiles, 0, Purpose.TX_DEFAULT, at_ms, transaction)
    if own is not None:
        found.append(own)
    return found


def _highest(
    profiles: Profiles, connector_id: int, purpose: Purpose, at_ms: int, transaction: Transaction
) -> tuple[Installed, Period] | None:
    best: tuple[Installed, Period] | None = None
    for installed in profiles:
        profile = installed.profile
        if profile.purpose is not purpose or installed.connector_id != connector_id:
            continue
        if purpose is Purpose.TX and profile.transaction_id not in (None, transaction.transaction_id):
            continue
        if best is not None and profile.stack_level <= best[0].profile.stack_level:
            continue
        period = _period_at(installed, at_ms, transaction)
        if period is not None:
            best = (installed, period)
    return best


def _begin_ms(installed: Installed, transaction: Transaction) -> int:
    """Return the instant that the schedule's offsets count from, for a recurring one the first."""
    start_ms = installed.profile.schedule.start_ms
    if start_ms is not None and installed.profile.kind is not Kind.RELATIVE:
        return start_ms
    if installed.profile.purpose is Purpose.CHARGE_POINT_MAX:
        return installed.installed_ms
    return transaction.started_ms


def _period_at(installed: Installed, at_ms: int, transaction: Transaction) -> Period | None:
    profile, schedule = installed.profile, installed.profile.schedule
    if profile.valid_from_ms is not None and at_ms < profile.valid_from_ms:
        return None
    if profile.valid_to_ms is not None and at_ms >= profile.valid_to_ms:
        return None
    offset_ms = at_ms - _begin_ms(installed, transaction)
    if offset_ms < 0:
        return None
    if profile.kind is Kind.RECURRING and profile.recurrence is not None:
        offset_ms %= profile.recurrence.interval_s * 1000
    if schedule.duration_s is not None and offset_ms >= schedule.duration_s * 1000:
        return None
    return [period for period in schedule.periods if period.start_s * 1000 <= offset_ms][-1]


def _changes_after(installed: Installed, now_ms: int, transaction: Transaction) -> Iterator[int]:
    """Yield the next instants of a profile after ``now_ms``, unordered."""
    profile, schedule = installed.profile, installed.profile.schedule
    begin_ms = _begin_ms(installed, transaction)
    steps_ms = [period.start_s * 1000 for period in schedule.periods]
    if schedule.duration_s is not None:
        steps_ms.append(schedule.duration_s * 1000)
    if profile.kind is Kind.RECURRING and profile.recurrence is not None:
        interval_ms = profile.recurrence.interval_s * 1000
        if now_ms >= begin_ms:
            begin_ms += (now_ms - begin_ms) // interval_ms * interval_ms
        steps_ms = [step_ms for step_ms in steps_ms if step_ms < interval_ms]
        steps_ms.append(interval_ms)
    ends = (profile.valid_from_ms, profile.valid_to_ms, *(begin_ms + step_ms for step_ms in steps_ms))
    yield from (instant for instant in ends if instant is not None and instant > now_ms)
