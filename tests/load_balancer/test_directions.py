"""Signs for currents that have none: only what the power leaves no doubt about."""

from hypothesis import assume, given
from hypothesis import strategies as st

from agents.load_balancer.seeing.directions import NOISE_SHARE, NOISE_W, directed

AMPERES = st.floats(0, 60)
VOLTS = (230.0, 231.0, 229.0)


@given(st.lists(AMPERES, min_size=3, max_size=3), st.floats(-50_000, 50_000))
def test_amounts_stay_and_nothing_is_fed_in_that_the_power_does_not_say(currents: list[float], power_w: float) -> None:
    found = directed(currents, VOLTS, power_w, 0.1)
    assert [abs(value) for value in found] == currents
    if found != currents:
        watts = sum(value * volts for value, volts in zip(found, VOLTS, strict=True))
        everything = sum(value * volts for value, volts in zip(currents, VOLTS, strict=True))
        assert abs(watts - power_w) <= NOISE_W + NOISE_SHARE * everything + 0.05 * sum(VOLTS) + 1e-6


@given(st.lists(st.integers(-60, 60), min_size=3, max_size=3))
def test_three_phases_of_a_roof_are_seen_as_fed_in(true_a: list[int]) -> None:
    """All three feed in: no other choice comes near it."""
    fed_in = [-abs(value) for value in true_a]
    assume(max(fed_in) <= -4)
    power_w = sum(value * volts for value, volts in zip(fed_in, VOLTS, strict=True))
    found = directed([float(abs(value)) for value in fed_in], VOLTS, power_w, 1.0)
    assert sum(found) <= 0 or found == [float(abs(value)) for value in fed_in]


def test_two_choices_that_fit_change_nothing() -> None:
    assert directed([5.0, 5.0, 0.0], (230.0,) * 3, 0.0, 0.1) == [5.0, 5.0, 0.0]


def test_signs_that_are_there_stay() -> None:
    assert directed([-5.0, 5.0, 0.0], (230.0,) * 3, -9_000.0, 0.1) == [-5.0, 5.0, 0.0]
