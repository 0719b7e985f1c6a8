"""What cars draw, and what they are offered for it: fractions, minima of their own, like cars (C7, C8, C11)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.load_balancer.allocation.sites import demand, fuse
from tests.load_balancer.allocation.test_behaviour import HOUR_S, Site, wants

MINUTES = 12


def changes(site: Site, name: str, seconds: float, step_s: float = 5.0) -> int:
    """Run, and return how often the offer of a car has changed."""
    count, before = 0, site.last.current_a(name)
    for _ in range(round(seconds / step_s)):
        after = site.run(step_s, step_s)[name]
        count += after != before
        before = after
    return count


@pytest.mark.parametrize("tenths", [156, *range(60, 321, 9)])
def test_the_offer_is_steady_whatever_a_car_draws(tenths: int) -> None:
    """C7: 15.6 A alone on 63 A swung between 16 and 32 A, 58 changes in 12 minutes."""
    site = Site([wants("a", kwh=40.0)], [])
    site.limits = fuse("house", 63, list(site.cars.values()))
    site.takes["a"] = tenths / 10
    assert changes(site, "a", 60 * MINUTES) <= 4
    assert site.last.current_a("a") >= tenths // 10


@pytest.mark.parametrize("tenths", range(61, 200, 13))
def test_it_is_steady_beside_a_car_that_takes_the_rest(tenths: int) -> None:
    site = Site([wants("a", kwh=40.0), wants("b", kwh=40.0)], [])
    site.limits = fuse("house", 40, list(site.cars.values()))
    site.takes["a"] = tenths / 10
    assert changes(site, "a", 60 * MINUTES) <= 4
    assert site.last.current_a("a") <= tenths / 10 + 2, "what it does not draw is for the other"
    assert site.last.current_a("a") + site.last.current_a("b") == 40


def test_a_draw_that_wavers_does_not_make_the_offer_waver() -> None:
    site = Site([wants("a", kwh=40.0), wants("b", kwh=40.0)], [])
    site.limits = fuse("house", 40, list(site.cars.values()))
    site.takes["a"] = 14.0
    site.run(60, 5)
    count, before = 0, site.last.current_a("a")
    for number in range(144):
        site.takes["a"] = 14.0 + (0.4 if number % 2 else -0.4)
        after = site.run(5, 5)["a"]
        count += after != before
        before = after
    assert count <= 4


@pytest.mark.parametrize("least_a", [7.0, 8.0, 10.0, 13.0])
def test_a_car_that_takes_nothing_at_six_amperes_is_offered_more_when_there_is_room(least_a: float) -> None:
    """C8: a car that needs 8 A stayed at 6 A, and at 0 Wh, after the other one had left 10 A free."""
    site = Site([wants("a", kwh=40.0, reserved_a=6.0), wants("b", kwh=40.0, priority=9)], [])
    site.takes["a"] = 0.0
    site.limits = fuse("house", 20, list(site.cars.values()))

    def draw() -> None:
        offered_a = site.last.current_a("a")
        site.takes["a"] = 32.0 if offered_a >= least_a else 0.0

    for _ in range(60):
        site.run(10)
        draw()
    assert site.last.current_a("b") >= 14 and site.cars["a"].energy_delivered_wh == 0
    del site.cars["b"]
    site.limits = fuse("house", 16, list(site.cars.values()))
    for _ in range(12):
        site.run(10)
        draw()
    assert site.last.current_a("a") == 16
    site.run(10)
    assert site.cars["a"].drawn_a == 16

    # From now on it is known: less than it needs is not offered to it any more, it is somebody else's.
    site.cars["b"] = wants("b", kwh=40.0, priority=9)
    site.takes["b"] = 32.0
    site.limits = fuse("house", least_a + 6 - 1, list(site.cars.values()))
    for _ in range(60):
        site.run(10)
        draw()
    assert site.last.current_a("a") == 0
    assert site.last.current_a("b") == least_a + 5


def test_a_minimum_that_is_set_is_never_offered_less() -> None:
    site = Site([replace(wants("a", kwh=40.0), min_a=8.0), wants("b", kwh=40.0)], [])
    site.limits = fuse("house", 13.5, list(site.cars.values()))
    for _ in range(30):
        assert site.run(10)["a"] in (0.0, *range(8, 33))


@pytest.mark.parametrize(("limit_a", "count"), [(16, 2), (24, 3), (30, 3), (63, 4), (50, 4)])
def test_like_cars_are_within_an_ampere(limit_a: int, count: int) -> None:
    """C11: like cars got 6 and 10 A, or 10, 8 and 6 A, where 8 each was as good."""
    for told in (True, False):
        cars = [wants(f"c{n}", kwh=30.0) if told else demand(f"c{n}", session_s=60.0 * n) for n in range(count)]
        site = Site(cars, [])
        site.limits = fuse("house", limit_a, cars)
        amperes = site.run(120, 5).values()
        assert max(amperes) - min(amperes) <= 1, amperes
        assert sum(amperes) == min(limit_a, 32 * count)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 280), st.integers(0, 1500)), min_size=2, max_size=6),
    st.integers(12, 120),
    st.booleans(),
)
def test_like_cars_have_had_the_same_after_ten_minutes(
    differences: list[tuple[int, int]], limit_a: int, told: bool
) -> None:
    cars = []
    for number, (came_s, wh) in enumerate(differences):
        name = f"c{number}"
        hours = 4.0 - came_s / HOUR_S
        cars.append(
            wants(name, kwh=20.0 + wh / 1000, hours=hours, session_s=float(came_s))
            if told
            else demand(name, session_s=float(came_s))
        )
    site = Site(cars, [])
    site.limits = fuse("house", limit_a, cars)
    site.run(60, 5)
    totals = dict.fromkeys(site.cars, 0.0)
    for _ in range(60):
        for name, current_a in site.run(10).items():
            totals[name] += current_a / 60
    on = [total for total in totals.values() if total >= 6]
    assert not on or max(on) - min(on) <= 1.05, totals
