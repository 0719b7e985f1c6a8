"""Sites and demands for the tests of the allocation."""

import cmath
import math

from hypothesis import strategies as st

from agents.load_balancer.allocation.model import PHASES, Constraint, Demand, Mode, Plan, Series


def demand(charger: str, *phases: str, **rest) -> Demand:
    return Demand(charger, phases=phases or PHASES, session=rest.pop("session", f"session of {charger}"), **rest)


def fuse(name: str, limit_a: float, demands: list[Demand], *later: tuple[float, float]) -> list[Constraint]:
    """One fuse per phase, of the same size."""
    return [
        Constraint(
            f"phase {p} of circuit {name}", {d.charger: 1 for d in demands if p in d.phases}, Series(limit_a, later)
        )
        for p in PHASES
    ]


def broken(plan: Plan, constraints: list[Constraint]) -> list[str]:
    """Constraints that a plan does not keep, judged without the code under test."""
    found = []
    for constraint in constraints:
        total = sum(c * plan.current_a(charger) for charger, c in constraint.coefficients.items())
        limit = max(0.0, constraint.limit.now)
        if abs(total) > limit * (1 + 1e-7) + 1e-7:
            found.append(f"{constraint.name}: {abs(total):.6f} of {limit:.6f}")
    return found


STEPS = [None, None, (8.0, 16.0, 24.0, 32.0), (6.0, 10.0, 16.0), (20.0,)]


@st.composite
def demands(draw, most: int = 8) -> list[Demand]:
    found = []
    for number in range(draw(st.integers(0, most))):
        offered = draw(st.sampled_from([None, 0.0, 6.0, 13.0, 32.0]))
        found.append(
            Demand(
                f"c{number}",
                phases=draw(st.sampled_from([("L1",), ("L2",), ("L3",), PHASES, ("L1", "L2")])),
                min_a=draw(st.sampled_from([6.0, 8.0])),
                max_a=draw(st.sampled_from([32.0, 16.0, 63.0, 10.5, 6.0, 5.9, 0.0])),
                steps_a=draw(st.sampled_from(STEPS)),
                session=draw(st.sampled_from(["one", "two"])),
                session_s=draw(st.floats(0, 100_000)),
                offered_a=offered,
                drawn_a=draw(st.sampled_from([None, 0.0, 4.0, 9.7, 32.0])),
                energy_wanted_wh=draw(st.sampled_from([None, 60_000.0, 90_000.0, 5_000.0, 1.0, 0.0])),
                energy_delivered_wh=draw(st.floats(0, 80_000)),
                departure_s=draw(st.one_of(st.none(), st.floats(-20_000, 60_000))),
                departure_error=draw(st.sampled_from([None, 0.0, 0.3, 1.0])),
                priority=draw(st.integers(0, 9)),
                reserved_a=draw(st.sampled_from([0.0, 0.0, 6.0, 32.0])),
                weight=draw(st.sampled_from([1.0, 3.0, 0.2])),
                mode=draw(st.sampled_from([Mode.FAST, Mode.FAST, *Mode])),
                not_before_s=draw(st.sampled_from([0.0, 0.0, 0.0, -50.0, 3_000.0])),
                not_after_s=draw(st.sampled_from([None, None, None, None, -1.0, 7_000.0])),
            )
        )
    return found


@st.composite
def networks(draw, names: list[str]) -> list[Constraint]:
    """Sums, powers, differences and line currents with angles, in any mixture, sometimes with nothing left."""
    found = []
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["sum", "power", "difference", "line"]))
        coefficients: dict[str, complex] = {}
        for name in names:
            if not draw(st.booleans()):
                continue
            if kind == "sum":
                coefficients[name] = 1
            elif kind == "power":
                coefficients[name] = draw(st.sampled_from([230.0, 690.0]))
            elif kind == "difference":
                coefficients[name] = draw(st.sampled_from([1, -1]))
            else:
                coefficients[name] = cmath.rect(
                    draw(st.sampled_from([0.25, 0.5, 1.0])), math.radians(draw(st.sampled_from([30, -90, 150, -30])))
                )
        scale = 230.0 if kind == "power" else 1.0
        limit = draw(st.sampled_from([-5.0, 0.0, 6.0, 20.0, 63.0, 250.0])) * scale
        later = ((600.0, draw(st.sampled_from([0.0, 16.0, 100.0])) * scale),) if draw(st.booleans()) else ()
        found.append(Constraint(f"limit {number}", coefficients, Series(limit, later)))
    return found
