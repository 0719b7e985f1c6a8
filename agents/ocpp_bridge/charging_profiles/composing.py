"""The composite schedule: what a connector will be allowed in the time to come (GetCompositeSchedule, 5.7).

It is made of the same resolver that limits the charger, asked at every instant at which something changes.
"""

from dataclasses import dataclass

from agents.ocpp_bridge.charging_profiles.installing import Profiles
from agents.ocpp_bridge.charging_profiles.resolving import Supply, Transaction, next_change_ms, resolve

MAX_PERIODS = 1024
"""Most periods of a composite schedule: a longer one ends there, and says so by its duration."""


@dataclass(frozen=True, slots=True)
class CompositePeriod:
    """One step of a composite schedule."""

    start_s: int
    """Seconds after its beginning."""
    current_a: float
    """Limit per phase."""
    number_phases: int | None = None
    """What the backend has said about the period that leads."""


def compose(
    profiles: Profiles,
    connector_id: int,
    begin_ms: int,
    duration_s: int,
    supply: Supply,
    max_current_a: float,
    transaction: Transaction | None = None,
) -> tuple[tuple[CompositePeriod, ...], int]:
    """Return the periods of the ``duration_s`` seconds from ``begin_ms`` on, and how many seconds they cover.

    ``max_current_a`` is what the charger offers where no profile limits it. Without a transaction one is taken to begin
    with the schedule. Changes within a second count from that second on.
    """
    running = transaction or Transaction(begin_ms, supposed=True)
    end_ms = begin_ms + duration_s * 1000
    periods: list[CompositePeriod] = []
    at_ms: int | None = begin_ms
    while at_ms is not None and at_ms < end_ms:
        period = _period(profiles, connector_id, begin_ms, at_ms, supply, max_current_a, running)
        if not periods or (periods[-1].current_a, periods[-1].number_phases) != (
            period.current_a,
            period.number_phases,
        ):
            if len(periods) == MAX_PERIODS:
                return tuple(periods), period.start_s
            if periods and periods[-1].start_s == period.start_s:
                periods.pop()
            periods.append(period)
        at_ms = next_change_ms(profiles, connector_id, at_ms, running)
    return tuple(periods), duration_s


def _period(
    profiles: Profiles,
    connector_id: int,
    begin_ms: int,
    at_ms: int,
    supply: Supply,
    max_current_a: float,
    transaction: Transaction,
) -> CompositePeriod:
    allowed = resolve(profiles, connector_id, at_ms, supply, transaction)
    start_s = (at_ms - begin_ms) // 1000
    if allowed is None or allowed.current_a >= max_current_a:
        return CompositePeriod(start_s, max_current_a)
    return CompositePeriod(start_s, allowed.current_a, allowed.period.number_phases)
