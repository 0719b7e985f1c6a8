"""What may be ordered, to the tenth of an ampere: raises into what is free, renewals, decreases, and crowded rows."""

import pytest

from agents.load_balancer.circuits.contract_limits import Schedule
from agents.load_balancer.circuits.site import Circuit, Kind, Site, SiteCharger, build
from agents.load_balancer.granting.safety import Approved, Safety

AMPLE = 1e9


def a_site(limit_a: float = 40.0, fallback_a: float = 6.0, **c1: object) -> Site:
    first = SiteCharger("c1", **{"circuit": "main", "fallback_a": fallback_a} | c1)  # type: ignore[arg-type]
    return build([Circuit("main", Schedule(limit_a))], [first, SiteCharger("c2", "main", fallback_a=fallback_a)])


def obeying(site: Site) -> Safety:
    safety = Safety(site)
    for name, each in site.chargers.items():
        safety.describe(name, fallback_a=each.fallback_a, rated_a=each.rated_a, obeys=True, now_s=-1e3)
    return safety


def holding(**current_a: float) -> Safety:
    """Return a safety layer whose chargers have answered to these currents long ago."""
    safety = obeying(a_site())
    for name, value in current_a.items():
        safety.ordered(Approved(name, value, True, None), f"{name}-0", -20, 5, 60)
        safety.done(name, f"{name}-0", -20)
    return safety


def approved(safety: Safety, limit_a: float = 40.0, now_s: float = 0.0, **wanted_a: float) -> dict[str, Approved]:
    limits = [limit_a] * len(safety.site.rows)
    return {each.charger: each for each in safety.approve(wanted_a, limits, now_s)}


def test_a_raise_goes_into_what_is_free_and_says_so() -> None:
    assert approved(holding(), c1=20.0) == {"c1": Approved("c1", 20.0, True, None)}
    # c2 counts with its fallback.
    assert approved(holding(), limit_a=30.0, c1=32.0) == {"c1": Approved("c1", 24.0, True, None)}
    waiting = holding(c2=20.0)
    waiting.ordered(Approved("c2", 6.0, False, None), "x", 0, 5, 60)
    assert approved(waiting, c1=32.0, c2=6.0)["c1"] == Approved("c1", 20.0, True, 0)


def test_what_counts_already_is_renewed_and_is_no_raise() -> None:
    safety = holding(c1=20.0)
    for wanted_a in (20.0, 12.0, 0.0):
        assert approved(safety, c1=wanted_a) == {"c1": Approved("c1", wanted_a, False, None)}
    assert approved(holding(), c1=6.0) == {"c1": Approved("c1", 6.0, False, None)}


def test_where_nothing_is_free_what_counts_is_kept_and_the_row_is_named() -> None:
    safety = holding(c1=20.0, c2=20.0)
    assert approved(safety, c1=32.0, c2=6.0) == {
        "c2": Approved("c2", 6.0, False, None),
        "c1": Approved("c1", 20.0, False, 0),
    }


def test_two_raises_share_what_is_free() -> None:
    safety = holding(c1=10.0, c2=10.0)
    both = approved(safety, limit_a=30.0, c1=20.0, c2=10.0)
    assert {name: each.current_a for name, each in both.items()} == {"c1": 20, "c2": 10}
    safety = obeying(a_site(40.0, 0.0))
    # What is wanted together is trimmed, those named last first.
    first = approved(safety, c1=32.0, c2=32.0)
    assert {name: (each.current_a, each.raises) for name, each in first.items()} == {"c1": (32, True), "c2": (8, True)}
    # c2 gives up what it holds, but has not answered yet: c1 and c3 share what is free meanwhile.
    site = build([Circuit("main", Schedule(40.0))], [SiteCharger(f"c{n}", "main", fallback_a=0.0) for n in (1, 2, 3)])
    safety = obeying(site)
    safety.ordered(Approved("c2", 20.0, True, None), "x", 0, 5, 60)
    shared = approved(safety, now_s=1.0, c1=16.0, c2=0.0, c3=16.0)
    assert shared == {
        "c2": Approved("c2", 0.0, False, None),
        "c1": Approved("c1", 16.0, True, None),
        "c3": Approved("c3", 0.0, False, 0),
    }


def test_a_raise_within_what_counts_anyway_takes_nothing_from_the_others() -> None:
    """A car that still follows a decrease may be told the old current again."""
    site = build([Circuit("main", Schedule(40.0))], [SiteCharger(f"c{n}", "main", fallback_a=0.0) for n in (1, 2)])
    safety = obeying(site)
    for at_s, current_a in ((-20, 24.0), (-1, 8.0)):
        safety.ordered(Approved("c1", current_a, True, None), f"@{at_s}", at_s, 5, 60)
        safety.done("c1", f"@{at_s}", at_s)
    assert approved(safety, c1=16.0, c2=24.0) == {
        "c1": Approved("c1", 16.0, True, None),
        "c2": Approved("c2", 16.0, True, 0),
    }


def test_a_raise_takes_only_what_it_adds() -> None:
    """c1 counts with its fallback of 6 A before, so that its 10 A leave the others four less."""
    assert approved(holding(), c1=10.0, c2=30.0) == {
        "c1": Approved("c1", 10.0, True, None),
        "c2": Approved("c2", 30.0, True, None),
    }


@pytest.mark.parametrize("c2_wants_a", [16.0, 0.0])
def test_what_one_is_trimmed_by_is_all_that_the_next_is_spared(c2_wants_a: float) -> None:
    """c2 counts with its fallback of 6 A whatever it is ordered: of 20 A there are 14 for c1, and no row clips that."""
    assert approved(holding(), limit_a=20.0, c1=16.0, c2=c2_wants_a)["c1"] == Approved("c1", 14.0, True, None)


def test_a_row_that_is_full_to_the_last_is_not_crowded() -> None:
    """What c1 counts with may be offered again; in a crowded row it would keep the lower of its two orders."""
    safety = holding(c1=16.0)
    safety.ordered(Approved("c1", 10.0, False, None), "lower", 0, 5, 60)
    assert approved(safety, limit_a=22.0, c1=16.0) == {"c1": Approved("c1", 16.0, False, None)}
    assert approved(safety, limit_a=21.9, c1=16.0) == {"c1": Approved("c1", 10.0, False, 0)}


@pytest.mark.parametrize(
    ("wanted_a", "expected"),
    [
        (32.0, Approved("c1", 16.0, False, 0)),
        (16.0, Approved("c1", 16.0, False, None)),
        (12.0, Approved("c1", 12.0, False, None)),
        (0.0, Approved("c1", 0.0, False, None)),
    ],
)
def test_in_a_crowded_row_not_even_what_counts_is_offered_again(wanted_a: float, expected: Approved) -> None:
    safety = holding(c1=16.0)
    safety.foreign("c1", "x", 24.0, 0, 5, 60)
    safety.foreign("c2", "y", 24.0, 0, 5, 60)
    assert safety.worst_a("c1", 0) == 24
    limits = [47.9, AMPLE, AMPLE]
    # What would fit together once all is answered is not trimmed: c2 is not asked, c1 could have 23.9 A.
    found = safety.approve({"c1": wanted_a}, limits, 0)
    assert found == [expected]


def test_a_crowded_row_leaves_everybody_the_fallback() -> None:
    safety = holding()
    safety.foreign("c2", "y", 32.0, 0, 5, 60)
    limits = [37.9, AMPLE, AMPLE]
    assert safety.approve({"c2": 6.0}, limits, 0) == [Approved("c2", 6.0, False, None)]
    # An own order below the fallback is no reason to keep it there.
    safety.ordered(Approved("c1", 0.0, False, None), "z", 0, 5, 60)
    assert safety.approve({"c1": 6.0, "c2": 6.0}, limits, 0)[0] == Approved("c1", 6.0, False, None)


def test_each_row_is_trimmed_by_its_own_weight() -> None:
    site = build(
        [Circuit("main", Schedule(100.0), transformer_kva=23.0)],
        [SiteCharger(f"c{n}", "main", fallback_a=0.0, voltage_v=230.0) for n in (1, 2)],
    )
    safety = obeying(site)
    limits = [23_000.0 if row.kind is Kind.POWER else 100.0 for row in site.rows]
    both = {each.charger: each.current_a for each in safety.approve({"c1": 20.0, "c2": 20.0}, limits, 0)}
    assert both == {"c1": 20.0, "c2": 13.3}
    # Alone it is given all that the transformer bears.
    alone = obeying(site).approve({"c1": 32.0}, [8_000.0 if row.kind is Kind.POWER else 100.0 for row in site.rows], 0)
    assert [(each.current_a, each.raises) for each in alone] == [(11.5, True)]
    # The others of a row that is full are trimmed no further than it needs.
    safety.ordered(Approved("c2", 20.0, True, None), "x", 0, 5, 60)
    (raised,) = safety.approve({"c1": 32.0}, limits, 1)
    assert raised.current_a == 13.3 and raised.raises
    # Nor when the others have only been ordered less and have not answered.
    safety.ordered(Approved("c2", 6.0, False, None), "y", 2, 5, 60)
    less, clipped = safety.approve({"c1": 20.0, "c2": 6.0}, limits, 2)
    assert (less.current_a, clipped.current_a) == (6.0, 13.3)
    assert clipped.clipped_by is not None and site.rows[clipped.clipped_by].kind is Kind.POWER


def test_what_is_trimmed_is_no_less_than_what_counts_anyway() -> None:
    safety = holding()
    safety.foreign("c1", "x", 32.0, 0, 5, 60)
    found = safety.approve({"c2": 16.0}, [33.0, AMPLE, AMPLE], 0)
    # Less than its fallback would free nothing.
    assert found == [Approved("c2", 6.0, False, None)]


def test_nothing_between_zero_and_six_amperes_and_no_hundredths() -> None:
    safety = obeying(a_site(fallback_a=0.0))
    for wanted_a, given_a in ((5.99, 0.0), (6.0, 6.0), (6.09, 6.0), (7.3, 7.3), (17.29999999999, 17.3), (17.36, 17.3)):
        (found,) = safety.approve({"c1": wanted_a}, [40.0] * 3, 0)
        assert found.current_a == given_a
