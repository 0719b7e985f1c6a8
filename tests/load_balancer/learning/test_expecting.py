"""What past sessions say of the one that has begun."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.load_balancer.allocation.energy import wanted_wh
from agents.load_balancer.allocation.model import Constraint, Demand, Series
from agents.load_balancer.learning.expecting import QUANTILES, expect
from agents.load_balancer.learning.learned import OF_SITE, Learned, Present
from agents.load_balancer.learning.sessions import PastSession, past_session
from agents.load_balancer.learning.words import in_words
from agents.load_balancer.planning.plan import plan

ZONE = "Europe/Berlin"
HOUR_S, DAY_MS = 3600.0, 86_400_000
MONDAY = datetime(2026, 6, 1, tzinfo=ZoneInfo(ZONE))


def ms(day: int, hour: float) -> int:
    """Return a moment of local time, in days after that Monday."""
    at = MONDAY + timedelta(days=day)
    return round((at.replace(hour=int(hour)) + timedelta(minutes=round(hour % 1 * 60))).timestamp() * 1000)


def stay(day: int, arrives: float, leaves: float, card: str = "a", charger: str = "c1") -> PastSession:
    begin = ms(day, arrives)
    return PastSession(card, charger, begin, (ms(day, leaves) - begin) / 1000, 8_000.0)


def middle_h(sessions: list[PastSession], day: int, arrives: float, card: str = "a") -> float:
    expected = expect(sessions, card, "c1", ms(day, arrives), ZONE)
    assert expected is not None
    return expected.stays_s[QUANTILES // 2] / HOUR_S


def workdays(count: int, *, until: int = 0) -> list[int]:
    return [day for day in range(until - 2 * count, until) if day % 7 < 5][-count:]


def test_a_card_is_expected_to_leave_when_it_usually_does() -> None:
    past = [stay(day, 8 + day % 3 / 4, 16.75) for day in workdays(30)]
    assert middle_h(past, 0, 8) == pytest.approx(8.75, abs=0.1)
    assert middle_h(past, 0, 8.75) == pytest.approx(8.0, abs=0.25), "it leaves by the clock"


def test_a_card_that_stays_a_while_stays_as_long_when_it_comes_later() -> None:
    past = [stay(day, 8 + day % 5, 11 + day % 5) for day in workdays(30)]
    assert middle_h(past, 0, 12) == pytest.approx(3, abs=0.1)


def test_weekdays_differ() -> None:
    past = [stay(day, 8, 12 if day % 7 == 4 else 17) for day in workdays(60)]
    assert middle_h(past, 3, 8) == pytest.approx(9, abs=0.1)
    friday = expect(past, "a", "c1", ms(4, 8), ZONE)
    assert friday is not None
    assert friday.stays_s[QUANTILES // 8] == pytest.approx(4 * HOUR_S), "a Friday may be short"
    assert friday.stays_s[1] < expect(past, "a", "c1", ms(3, 8), ZONE).stays_s[QUANTILES // 4]  # type: ignore[union-attr]


def test_a_new_card_does_what_others_do_at_this_hour() -> None:
    past = [stay(day, 8, 17, f"card-{n}") for day in workdays(20) for n in range(5)]
    past += [stay(day, 18, 20, f"guest-{n}") for day in workdays(20) for n in range(5)]
    assert middle_h(past, 0, 8, "new") == pytest.approx(9, abs=0.2)
    assert middle_h(past, 0, 18, "new") == pytest.approx(2, abs=0.2)
    assert middle_h(past, 0, 18, "") == pytest.approx(2, abs=0.2), "and so does one that nobody knows"


def test_habits_that_change_are_learned_within_three_weeks() -> None:
    past = [stay(day, 8, 17) for day in workdays(60, until=-21)]
    past += [stay(day, 8, 12.5) for day in workdays(15)]
    assert middle_h(past, 0, 8) == pytest.approx(4.5, abs=0.1)


def test_one_session_is_not_the_whole_truth() -> None:
    expected = expect([stay(-1, 8, 17)], "a", "c1", ms(0, 8), ZONE)
    assert expected is not None
    assert expected.stays_s[0] <= 2 * HOUR_S and expected.stays_s[-1] > 9 * HOUR_S
    assert expect([], "a", "c1", ms(0, 8), ZONE) is None


def test_ten_years_of_one_card_are_no_more_than_the_newest() -> None:
    learned = Learned(ZONE, 100, 1000)
    learned.add(stay(day, 8, 17) for day in workdays(2600))
    learned.add(stay(day, 8, 12) for day in range(1, 60) if day % 7 < 5)
    learned.began("s", Present("a", None))
    expected = learned.expectation("s", "c1", ms(63, 8))
    assert expected is not None and expected.stays_s[QUANTILES // 2] == pytest.approx(4 * HOUR_S, abs=600)
    assert len(learned._by_card["a"]) == 100 and len(learned._site) == OF_SITE


def test_cards_that_are_too_many_are_forgotten_oldest_first() -> None:
    learned = Learned(ZONE, 100, 50)
    learned.add(stay(n % 5, 8, 17, f"card-{n}") for n in range(500))
    assert len(learned._by_card) == 50


def test_what_comes_late_takes_its_place_and_drives_out_nothing_newer() -> None:
    learned = Learned(ZONE, 3, 50)
    learned.add([stay(day, 8, 17) for day in (7, 8, 9)])
    learned.add([stay(day, 8, 12) for day in (0, 1)])
    assert [each.arrived_ms for each in learned._by_card["a"]] == [ms(day, 8) for day in (7, 8, 9)]


@pytest.mark.parametrize(
    ("evening", "hours"),
    [("2027-03-26", 11.0), ("2027-03-27", 10.0), ("2026-10-23", 11.0), ("2026-10-24", 12.0)],
)
def test_who_leaves_by_the_clock_does_so_on_the_nights_of_a_clock_change(evening: str, hours: float) -> None:
    zone = ZoneInfo(ZONE)
    day = datetime.fromisoformat(evening).replace(tzinfo=zone)

    def night(ago: int) -> PastSession:
        begin = (day - timedelta(days=ago)).replace(hour=20 - ago % 4)
        end = (day - timedelta(days=ago - 1)).replace(hour=7)
        return PastSession("a", "c1", round(begin.timestamp() * 1000), end.timestamp() - begin.timestamp(), 9_000.0)

    today_ms = round(day.replace(hour=20).timestamp() * 1000)
    expected = expect([night(ago) for ago in range(1, 90)], "a", "c1", today_ms, ZONE)
    assert expected is not None
    assert expected.stays_s[QUANTILES // 2] / HOUR_S == pytest.approx(hours, abs=0.35)


NOW_MS = ms(0, 12)


@pytest.mark.parametrize(
    ("arrived_ms", "stay_s"),
    [
        (None, 3600.0),
        (NOW_MS - DAY_MS, None),
        (NOW_MS - DAY_MS, -3600.0),
        (NOW_MS - DAY_MS, 0.0),
        (NOW_MS - 9 * DAY_MS, 8 * 86_400.0),
        (NOW_MS + DAY_MS, 3600.0),
        (946_684_800_000, 3600.0),
        (0, 3600.0),
        (NOW_MS - DAY_MS, math.nan),
    ],
)
def test_a_record_that_says_nothing_about_stays_teaches_nothing(arrived_ms: int | None, stay_s: float | None) -> None:
    assert past_session("a", "c1", arrived_ms, stay_s, 8_000.0, NOW_MS) is None


@pytest.mark.parametrize("energy_wh", [None, 0.0, -5.0, 2e6])
def test_one_without_energy_still_says_how_long_the_car_stayed(energy_wh: float | None) -> None:
    found = past_session("a", "c1", NOW_MS - DAY_MS, 3600.0, energy_wh, NOW_MS)
    assert found is not None and found.energy_wh is None
    expected = expect([found] * 5, "a", "c1", NOW_MS, ZONE)
    assert expected is not None and len(expected.energies_wh) == QUANTILES


SESSIONS = st.builds(
    PastSession,
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["c1", "c2"]),
    st.integers(ms(-4000, 0), ms(400, 0)),
    st.floats(300, 7 * 86_400),
    st.none() | st.floats(1, 1e6),
)


@given(st.lists(SESSIONS, max_size=30), st.sampled_from(["", "a", "z"]), st.integers(ms(0, 0), ms(300, 0)))
def test_whatever_the_history_a_plan_can_be_made_from_it(sessions: list[PastSession], card: str, at_ms: int) -> None:
    expected = expect(sessions, card, "c1", at_ms, ZONE)
    if expected is None:
        return
    assert expect(sessions[::-1], card, "c1", at_ms, ZONE) is not None
    demand = Demand("c1", session_s=600, stays_s=expected.stays_s, energies_wh=expected.energies_wh)
    made = plan([demand], [Constraint("x", {"c1": 1.0}, Series(20))], now_s=0.0)
    assert made.current_a("c1") > 0
    in_words(expected, at_ms, ZONE)


def test_the_words_count_days_on_which_it_stayed_until_then() -> None:
    past = [stay(day, 8, 15 if n < 2 else 16.75) for n, day in enumerate(workdays(20))]
    expected = expect(past, "a", "c1", ms(0, 8), ZONE)
    assert expected is not None
    assert in_words(expected, ms(0, 9), ZONE) == "expected until 16:45 (18 of 20 such days)"
    assert in_words(expected, ms(0, 17), ZONE) == "has stayed longer than on any of 20 such days"
    # A night that ends on the next day names it.
    nights = [PastSession("a", "c1", ms(day, 20), 11 * HOUR_S, 9_000.0) for day in workdays(20)]
    expected = expect(nights, "a", "c1", ms(0, 20), ZONE)
    assert expected is not None
    assert in_words(expected, ms(0, 21), ZONE) == "expected until Tuesday 07:00 (20 of 20 such days)"


def test_the_words_of_a_new_card_count_the_stays_of_others() -> None:
    past = [stay(day, 8, 17, f"card-{n}") for day in workdays(8) for n in range(5)]
    expected = expect(past, "new", "c1", ms(0, 8), ZONE)
    assert expected is not None
    assert in_words(expected, ms(0, 9), ZONE) == "expected until 17:00 (40 of 40 stays from this hour on)"


def test_who_leaves_sooner_as_a_rule_is_charged_first() -> None:
    past = [stay(day, 8, 10, "short") for day in workdays(30)] + [stay(day, 8, 17, "long") for day in workdays(30)]
    demands = []
    for charger, card in (("c1", "short"), ("c2", "long")):
        expected = expect(past, card, charger, ms(0, 8), ZONE)
        assert expected is not None
        demands.append(Demand(charger, session=card, session_s=900, energy_wanted_wh=30_000, stays_s=expected.stays_s))
    state, currents = None, {}
    for second in range(0, 120, 10):
        made = plan(demands, [Constraint("x", {"c1": 1.0, "c2": 1.0}, Series(32))], state, now_s=float(second))
        state, currents = made.state, {name: made.current_a(name) for name in ("c1", "c2")}
    assert currents["c1"] >= currents["c2"] + 8


def test_a_little_energy_once_is_no_reason_to_get_little_again() -> None:
    given_little = Demand("c1", energies_wh=(1_000.0,) * 8 + (9_000.0,) * 8, energy_delivered_wh=2_000.0)
    assert wanted_wh(given_little, ()) == 7_000.0
    assert wanted_wh(Demand("c1", energies_wh=(1_000.0,), energy_delivered_wh=2_000.0), ()) > 0
