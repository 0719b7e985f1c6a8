"""The parts of the allocation, each against what it says of itself."""

import cmath

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents.load_balancer.allocation.energy import MORE_WH, UNKNOWN_ENERGIES_WH, wanted_wh
from agents.load_balancer.allocation.model import Constraint, Series
from agents.load_balancer.allocation.network import Network, alike
from agents.load_balancer.allocation.staying import presence
from agents.load_balancer.planning.horizon import edges_s
from agents.load_balancer.planning.lp import Program, SolverFailed, highs, tangents
from tests.load_balancer.allocation.sites import demand

FEW = settings(max_examples=100, deadline=None)
ANGLES = st.sampled_from([0.0, 0.5, np.pi / 6, -np.pi / 2, 5 * np.pi / 6, np.pi, 2 * np.pi / 3, -2 * np.pi / 3])
COEFFICIENTS = st.lists(st.builds(cmath.rect, st.sampled_from([0.25, 0.5, 1.0, 2.0]), ANGLES), min_size=1, max_size=4)


@FEW
@given(COEFFICIENTS, st.lists(st.floats(0, 40), min_size=4, max_size=4), st.floats(0, 100), st.integers(0, 3))
def test_the_room_is_what_fits_and_not_more(coefficients, currents, limit, which):
    names = [f"c{n}" for n in range(len(coefficients))]
    which %= len(names)
    network = Network.of([Constraint("x", dict(zip(names, coefficients, strict=True)), Series(limit))], names)
    now = np.array(currents[: len(names)])
    assume(network.fits(now))
    room = network.room(which, network.use(now))
    step = np.zeros(len(names))
    step[which] = 1.0
    assert network.fits(now + step * (room - 1e-6 if room > 1e-6 else 0.0))
    assert not network.fits(now + step * (room + 1e-3 * (1 + room)))
    assert network.blocking(which, network.use(now), room + 1e-3 * (1 + room)) == 0


@FEW
@given(COEFFICIENTS, st.lists(st.floats(0, 40), min_size=4, max_size=4))
def test_tangents_enclose_the_circle_closely(coefficients, currents):
    matrix = np.array([coefficients])
    x = np.array(currents[: len(coefficients)])
    rows, constraint_of = tangents(matrix)
    true = abs(matrix @ x)[0]
    assert set(constraint_of) == {0}
    assert true * 0.994 - 1e-9 <= max(0.0, (rows @ x).max()) <= true + 1e-9


def test_columns_on_all_sides_are_enclosed_on_all_sides():
    star = np.exp(1j * np.array([[0.0, 2.0, 4.0]]) * np.pi / 3)
    rows, _ = tangents(star)
    for x in ([1, 1, 0], [0, 1, 1], [1, 0, 1]):
        assert (rows @ np.array(x)).max() == pytest.approx(1.0, rel=0.006)


def test_a_plain_sum_needs_one_row_and_a_difference_two():
    assert len(tangents(np.array([[1.0 + 0j, 2.0]]))[0]) == 1
    assert len(tangents(np.array([[1.0 + 0j, -1.0]]))[0]) == 2
    assert len(tangents(np.zeros((1, 3), dtype=complex))[0]) == 0


def test_like_columns_are_one_class():
    first, class_of = alike(np.array([[1, 2, 1], [0, 0, 0]], dtype=complex))
    assert first.tolist() == [0, 1]
    assert class_of.tolist() == [0, 1, 0]


TIMES = np.linspace(0, 24 * 3600, 200)


def there(session_s, departure_s, error, stays=(), crowding=0.0):
    departure = np.nan if departure_s is None else departure_s
    return presence(
        np.array([session_s]), np.array([departure]), np.array([error]), np.array([crowding]), stays, TIMES
    )[0]


@FEW
@given(st.floats(0, 1e6), st.one_of(st.none(), st.floats(-1e6, 1e6)), st.floats(0, 1), st.lists(st.floats(0, 1e5)))
def test_a_car_is_there_now_and_never_comes_back(session_s, departure_s, error, stays):
    found = there(session_s, departure_s, error, tuple(stays), 0.2)
    assert np.all((found >= 0) & (found <= 1 + 1e-9))
    assert np.all(np.diff(found) <= 1e-9)
    assert departure_s is not None or found[0] == pytest.approx(1, abs=1e-6)


def test_a_certain_departure_is_an_edge_and_another_a_slope():
    assert set(there(0.0, 4 * 3600.0, 0.0)) == {0.0, 1.0}
    slope = there(0.0, 4 * 3600.0, 0.3)
    at = {hours: slope[np.searchsorted(TIMES, hours * 3600)] for hours in (3, 4, 5, 6)}
    assert at[3] > 0.97
    assert 0.3 < at[4] < 0.7
    assert at[6] < 0.05


def test_history_says_who_stays():
    nights = tuple(10 * 3600.0 for _ in range(200))
    assert there(0.0, None, 0.2, nights)[np.searchsorted(TIMES, 9 * 3600)] > 0.9
    assert there(0.0, None, 0.2)[np.searchsorted(TIMES, 9 * 3600)] < 0.5


def test_energy_is_the_wish_or_what_others_took_from_here():
    assert wanted_wh(demand("a", energy_wanted_wh=9_000.0, energy_delivered_wh=2_000.0), ()) == 7_000
    assert wanted_wh(demand("a", energy_wanted_wh=9_000.0, energy_delivered_wh=9_500.0), ()) == 0
    assert wanted_wh(demand("a"), ()) == pytest.approx(np.mean(UNKNOWN_ENERGIES_WH))
    assert wanted_wh(demand("a", energy_delivered_wh=20_000.0), (26_000.0,)) == pytest.approx((10_000 + 6_000) / 2)
    assert wanted_wh(demand("a", energy_delivered_wh=90_000.0), ()) == MORE_WH


@pytest.mark.parametrize("coarse", [False, True])
def test_the_horizon_begins_fine_and_reaches_far(coarse):
    edges = edges_s(16 * 3600.0, coarse)
    assert edges[0] == 0
    assert edges[1] == 300
    assert edges[-1] >= 16 * 3600
    assert np.all(np.diff(np.diff(edges)) >= 0)


def test_a_series_changes_in_steps():
    series = Series(1.0, ((10.0, 3.0), (20.0, 0.0)))
    assert [series.at(t) for t in (0, 9, 10, 25)] == [1, 1, 3, 0]
    assert series.mean(5, 15) == 2
    assert series.lowest(0, 15) == 1
    assert series.lowest(5, 30) == 0


def program(upper: float, rows: float = 1.0) -> Program:
    from scipy import sparse

    return Program(
        np.array([1.0]),
        np.array([np.inf]),
        sparse.csc_matrix(np.array([[rows]])),
        np.array([-np.inf]),
        np.array([upper]),
    )


def test_the_solver_solves_or_says_why_not():
    assert highs(program(5.0), 1.0).tolist() == [5.0]
    with pytest.raises(SolverFailed, match="no time"):
        highs(program(5.0), 0.0)
    with pytest.raises(SolverFailed, match=r"stopped: (Infeasible|Primal infeasible)"):
        highs(program(-1.0), 1.0)
    with pytest.raises(SolverFailed, match="stopped: Unbounded"):
        highs(program(1.0, 0.0), 1.0)
    with pytest.raises(SolverFailed, match="refused"):
        highs(program(np.nan), 1.0)
