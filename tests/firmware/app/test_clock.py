"""Clocks: without network time, that drift, and that jump."""

import pytest

from tests.firmware.app.fakes import T0, Bench


def test_a_clock_that_the_ledger_has_set_is_kept_right() -> None:
    """A crystal errs by some seconds a week; a command lives for ten."""
    bench = Bench(utc_set=False)
    assert bench.clock.utc_ms() == T0
    bench.clock.now += 7 * 86_400_000
    bench.tick()
    bench.clock.offset = T0 + 8_000
    bench.card("04A1")
    bench.run(1)
    assert bench.clock.offset == T0
    assert bench.authorize("04A1")["stage"] == "done"


@pytest.mark.parametrize("wrong_ms", [-400, 400])
def test_it_is_not_set_for_what_nobody_notices(wrong_ms: int) -> None:
    bench = Bench(utc_set=False)
    bench.run(7200)
    bench.clock.offset = T0 + wrong_ms
    bench.card("04A1")
    bench.run(1)
    assert bench.clock.offset == T0 + wrong_ms


def test_not_more_than_once_an_hour() -> None:
    bench = Bench(utc_set=False)
    bench.clock.offset = T0 + 8_000
    bench.card("04A1")
    bench.run(1)
    assert bench.clock.offset == T0 + 8_000


def test_a_clock_that_the_host_has_set_is_the_hosts() -> None:
    bench = Bench()
    bench.run(7200)
    bench.clock.offset = T0 + 60_000
    bench.card("04A1")
    bench.run(1)
    assert bench.clock.offset == T0 + 60_000


def test_the_time_of_the_network_that_comes_first_counts() -> None:
    bench = Bench(utc_set=False, connect=False)
    bench.acks = False
    bench.connect()
    bench.clock.offset = T0 + 60_000
    bench.acks = True
    bench.tick()
    assert bench.clock.offset == T0 + 60_000


@pytest.mark.parametrize("jump_ms", [-7_200_000, 7_200_000])
def test_a_clock_that_jumps_moves_no_lease_no_cap_and_no_timeout(jump_ms: int) -> None:
    bench = Bench()
    bench.send("set_limit", source="load_balancer", current_a=10, valid_for_s=100)
    bench.cp("B")
    bench.authorize(caps={"duration_min": 10})
    bench.cp("C")
    bench.clock.offset = T0 + jump_ms
    bench.run(99)
    assert (bench.pilot.offered, bench.state()["leases"][0]["expired"]) == (10.0, False)
    bench.run(2)
    assert (bench.pilot.offered, bench.state()["leases"][0]["expired"]) == (6.0, True)
    bench.run(490)
    assert bench.pilot.closed
    bench.run(20)
    assert bench.events("session_ended")[0]["reason"] == "time_cap"


def test_uptimes_order_what_happened_while_the_clock_was_unset() -> None:
    bench = Bench(utc_set=False, connect=False)
    bench.acks = False
    bench.cp("B")
    bench.run(10)
    bench.card("04A1")
    bench.run(60)
    bench.connect()
    (presented,) = bench.events("card_presented")
    assert (presented["ts"], presented["uptime_ms"]) == (None, 10_000)
