"""When a car is woken, and above all when it is not."""

import pytest

from tests.firmware.app.fakes import Bench


def away_s(bench: Bench, seconds: int) -> list[tuple[int, int]]:
    """Let time pass; return from when to when the pilot was away, in s from now."""
    begun, found, since = bench.clock.now, [], None
    for _ in range(seconds * 2):
        bench.run(0.5)
        now_s = (bench.clock.now - begun) // 1000
        if bench.pilot.disconnected and since is None:
            since = now_s
        elif not bench.pilot.disconnected and since is not None:
            found.append((since, now_s))
            since = None
    return found


def plugged(**settings: object) -> Bench:
    bench = Bench()
    if settings:
        bench.send("configure", settings=settings)
    bench.cp("B")
    bench.authorize()
    return bench


def test_ninety_seconds_then_four_then_after_thirty_more_thirty() -> None:
    bench = plugged()
    statuses = len(bench.of("state"))
    assert away_s(bench, 600) == [(90, 94), (124, 154)]
    assert {state["status"] for state in bench.of("state")[statuses:]} == {"SuspendedEV"}
    assert bench.pilot.pwm


def test_a_car_that_comes_is_not_woken() -> None:
    bench = plugged()
    bench.run(89)
    bench.cp("C")
    assert away_s(bench, 300) == []


@pytest.mark.parametrize("charged_s", [5, 3600])
def test_a_car_that_has_charged_and_stops_by_itself_is_left_alone(charged_s: int) -> None:
    bench = plugged()
    bench.cp("C")
    bench.run(charged_s)
    bench.cp("B")
    assert away_s(bench, 7200) == []


def test_a_full_car_is_left_alone_when_it_is_offered_current_again() -> None:
    bench = plugged()
    bench.cp("C")
    bench.run(3600)
    bench.cp("B")
    bench.run(100)
    bench.send("pause")
    bench.run(600)
    bench.send("resume")
    assert away_s(bench, 600) == []


def test_a_car_from_which_the_current_was_taken_may_sleep() -> None:
    bench = plugged()
    bench.cp("C")
    bench.run(600)
    bench.send("pause")
    bench.cp("B")
    assert away_s(bench, 600) == [], "nothing is offered"
    bench.send("resume")
    assert away_s(bench, 600) == [(90, 94), (124, 154)]


def test_a_car_with_a_timer_is_disturbed_three_times_at_most() -> None:
    bench = plugged()
    times = away_s(bench, 300)
    for _ in range(4):
        bench.send("pause")
        bench.run(10)
        bench.send("resume")
        times += away_s(bench, 300)
    assert len(times) == 3 * 2
    bench.cp("A")
    bench.cp("B")
    bench.authorize()
    assert len(away_s(bench, 300)) == 2, "the next car is another one"


def test_it_is_a_setting() -> None:
    assert away_s(plugged(wake_sleepy_cars=False), 600) == []


@pytest.mark.parametrize("ends", ["pause", "stop", "fault", "set_limit"])
def test_the_pilot_is_back_at_once_when_nothing_is_offered_any_more(ends: str) -> None:
    bench = plugged()
    bench.run(91)
    assert bench.pilot.disconnected and not bench.pilot.pwm
    if ends == "fault":
        bench.pilot.faults = ["residual_current"]
        bench.pilot.changed()
        bench.tick()
    elif ends == "set_limit":
        bench.send("set_limit", current_a=0, valid_for_s=60)
    else:
        bench.send(ends)
    assert not bench.pilot.disconnected


def test_the_heartbeat_goes_on_while_the_pilot_is_away() -> None:
    """The native module gives the pilot back when the application is silent for 2 s."""
    bench = plugged()
    bench.run(91)
    for _ in range(3):
        wait = bench.tick()
        assert wait <= 1000
        bench.clock.now += wait
