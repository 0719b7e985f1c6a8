"""What is expected of a session from those before it. Pure: sessions and times come in, an expectation comes out.

Sessions of the same card count by how alike they are: weekday, hour of arrival, charger, and how many came since. The
site's sessions are added with the weight of a few, and to these the stays that are assumed before anything is known: a
new card is expected to do what others do at this hour, and one session of a card is not the whole truth about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.load_balancer.allocation.energy import UNKNOWN_ENERGIES_WH
from agents.load_balancer.allocation.network import Floats
from agents.load_balancer.allocation.staying import UNKNOWN_STAYS_S
from agents.load_balancer.learning.local_time import DAY_S, LocalTime
from agents.load_balancer.learning.sessions import PastSession

QUANTILES = 16
"""Stays and energies that an expectation consists of, each as likely as the others."""

SITE_WEIGHT = 2.0
"""So many sessions of a card are all of the site's worth together."""

ASSUMED_WEIGHT = 3.0
"""So many sessions of the site are the assumed stays worth together."""

HOUR_S = 3600.0

CARD_HOURS_S, SITE_HOURS_S = 2 * HOUR_S, 1 * HOUR_S
"""Sessions that began earlier or later in the day by this much count 61 %, by twice as much 14 %."""

SAME_DAY, LIKE_DAY, OTHER_DAY = 1.0, 0.6, 0.1
"""What a session counts that began on the same weekday; on another, both at work or both at the weekend; otherwise."""

OTHER_CHARGER = 0.8
"""What a session at another charger counts."""

NEWER = 15.0
"""After so many more sessions of the card one counts half: people change jobs, cars and habits."""

NEWER_S = 90 * 86_400.0
"""After this time one counts half, whoever's it was."""

SLOPE = 0.5
"""How much later a car leaves that came later by 1, before its card has shown it: 0 leaves by the clock, 1 after a
fixed stay."""

SLOPE_SURE_S2 = 1.25 * HOUR_S**2
"""How much a card's arrivals must have varied for its own slope to count as much as the assumed one. s²."""

SUCH_DAYS, SUCH_STAYS = 20, 50
"""Most sessions, of the card or of the site, that the words count."""

FEWEST = 3
"""With fewer of its own a card's words count those of the site."""

SUCH_HOURS_S = 2 * HOUR_S
"""A session that the words count began within this time of the day, on a workday or at a weekend like today."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a session."""

    stays_s: tuple[float, ...]
    """From plug-in on, ascending, each as likely as the others."""
    energies_wh: tuple[float, ...]
    """For the whole session, likewise."""
    departures_ms: tuple[int, ...] = ()
    """When the car would leave were today like one of the days that the words count, ascending. UTC."""
    of_card: bool = False
    """Whether those were this card's days; otherwise they were stays of any."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Sessions as columns."""

    arrived_s: Floats
    of_day_s: Floats
    weekday: NDArray[np.intp]
    stay_s: Floats
    energy_wh: Floats
    """NaN where unknown."""
    same_charger: NDArray[np.bool_]

    @classmethod
    def of(cls, sessions: Sequence[PastSession], charger: str, local: LocalTime) -> "_Table":
        arrived_s = np.array([each.arrived_ms / 1000 for each in sessions])
        wall_s = local.wall_s(arrived_s)
        return cls(
            arrived_s,
            wall_s % DAY_S,
            local.weekday(wall_s),
            np.array([each.stay_s for each in sessions]),
            np.array([np.nan if each.energy_wh is None else each.energy_wh for each in sessions]),
            np.array([each.charger == charger for each in sessions], dtype=bool),
        )


def expect(
    sessions: Sequence[PastSession], card: str, charger: str, arrived_ms: int, timezone: str
) -> Expectation | None:
    """Return what to expect of a session of ``card`` that began at ``arrived_ms``; None without any history.

    ``sessions`` are those to learn from, in any order; those that began later are left out. An empty ``card`` is one
    that nobody knows.
    """
    before = [each for each in sessions if each.arrived_ms < arrived_ms]
    if not before:
        return None
    before.sort(key=lambda each: each.arrived_ms)
    local = LocalTime(timezone)
    own = _Table.of([each for each in before if card and each.card == card], charger, local)
    rest = _Table.of([each for each in before if not card or each.card != card], charger, local)
    at_s = arrived_ms / 1000
    own_weight = _alike(own, at_s, CARD_HOURS_S, local) * _newer(own.arrived_s.size)
    rest_weight = _alike(rest, at_s, SITE_HOURS_S, local)
    own_stays_s = _own_stays_s(own, own_weight, at_s, local)
    stays_s = _mixed((own_stays_s, own_weight), (rest.stay_s, rest_weight), np.asarray(UNKNOWN_STAYS_S))
    energies_wh = _mixed((own.energy_wh, own_weight), (rest.energy_wh, rest_weight), np.asarray(UNKNOWN_ENERGIES_WH))
    such = _such(own, at_s, local)
    of_card = such.size >= FEWEST
    departures = own_stays_s[such[-SUCH_DAYS:]] if of_card else rest.stay_s[_such(rest, at_s, local)[-SUCH_STAYS:]]
    return Expectation(stays_s, energies_wh, tuple(sorted(round((at_s + s) * 1000) for s in departures)), of_card)


def _alike(table: _Table, at_s: float, hours_s: float, local: LocalTime) -> Floats:
    """Return what each session counts by day, hour, charger and age."""
    apart_s = _apart_s(table, at_s, local)
    weekday = _weekday(at_s, local)
    like = (table.weekday >= 5) == (weekday >= 5)
    day = np.where(table.weekday == weekday, SAME_DAY, np.where(like, LIKE_DAY, OTHER_DAY))
    weight: Floats = day * np.exp(-0.5 * (apart_s / hours_s) ** 2) * np.where(table.same_charger, 1.0, OTHER_CHARGER)
    return weight * 0.5 ** ((at_s - table.arrived_s) / NEWER_S)


def _apart_s(table: _Table, at_s: float, local: LocalTime) -> Floats:
    """Return how far the sessions' hours are from that of ``at_s``, midnight being no gap."""
    of_day_s = float(local.wall_s(np.array([at_s]))[0]) % DAY_S
    apart_s = np.abs(table.of_day_s - of_day_s)
    return np.minimum(apart_s, DAY_S - apart_s)


def _weekday(at_s: float, local: LocalTime) -> int:
    return int(local.weekday(local.wall_s(np.array([at_s])))[0])


def _newer(size: int) -> Floats:
    """Return what sessions of one card count, of which the newest is the last."""
    weights: Floats = 0.5 ** (np.arange(size)[::-1] / NEWER)
    return weights


def _such(table: _Table, at_s: float, local: LocalTime) -> NDArray[np.intp]:
    like = (table.weekday >= 5) == (_weekday(at_s, local) >= 5)
    return np.flatnonzero(like & (_apart_s(table, at_s, local) <= SUCH_HOURS_S))


def _own_stays_s(own: _Table, weight: Floats, at_s: float, local: LocalTime) -> Floats:
    """Return how long the car would stay today were it as on each of its days.

    Some leave by the clock, others after so many hours: what the card does is between the two. By the clock means local
    time, also when that is changed while the car is there.
    """
    if not own.stay_s.size:
        return own.stay_s
    left_wall_s = local.wall_s(own.arrived_s + own.stay_s)
    midnight_s = local.wall_s(own.arrived_s) - own.of_day_s
    today_s = float(local.wall_s(np.array([at_s]))[0])
    today_s -= today_s % DAY_S
    by_clock_s = local.utc_s(today_s + (left_wall_s - midnight_s)) - at_s
    slope = _slope(own.of_day_s, own.of_day_s + own.stay_s, weight)
    stays_s: Floats = slope * own.stay_s + (1 - slope) * by_clock_s
    return np.maximum(stays_s, 60.0)


def _slope(arrival_s: Floats, departure_s: Floats, weight: Floats) -> float:
    total = weight.sum()
    if total <= 0:
        return SLOPE
    x = arrival_s - (weight @ arrival_s) / total
    y = departure_s - (weight @ departure_s) / total
    slope = (weight @ (x * y) + SLOPE * SLOPE_SURE_S2) / (weight @ (x * x) + SLOPE_SURE_S2)
    return float(np.clip(slope, 0.0, 1.0))


def _mixed(own: tuple[Floats, Floats], rest: tuple[Floats, Floats], assumed: Floats) -> tuple[float, ...]:
    """Return quantiles of the card's values, the site's and the assumed ones, each with their weight."""
    (own_values, own_weight), (rest_values, rest_weight) = _known(*own), _known(*rest)
    site = np.concatenate([rest_weight, np.full(assumed.size, ASSUMED_WEIGHT / assumed.size)])
    values = np.concatenate([own_values, rest_values, assumed])
    weights = np.concatenate([own_weight, site * (SITE_WEIGHT / site.sum())])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    middle = (np.arange(QUANTILES) + 0.5) / QUANTILES * reached[-1]
    places = np.minimum(np.searchsorted(reached, middle), values.size - 1)
    return tuple(float(value) for value in values[order][places])


def _known(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(values)
    return values[known], weights[known]
