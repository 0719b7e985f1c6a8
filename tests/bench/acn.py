"""How much of the energy that drivers ask for is delivered, judged by acnportal on its 54-EVSE Caltech network."""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from acnportal import acnsim, algorithms
from acnportal.algorithms import BaseAlgorithm

from agents.load_balancer.allocation.model import Constraint, Demand, Method, Series, Settings, State
from agents.load_balancer.allocation.planning import plan
from tests.bench.acn_days import PERIOD_MIN, SHAPES, VOLTAGE_V, Stay, made_day, real_day, told
from tests.bench.acn_peers import PlainLpMpc, bound

PERIOD_S = PERIOD_MIN * 60.0


@dataclass
class Outcome:
    delivered: float
    switches: int
    left_with_nothing: int
    over: int
    seconds_a_step: float


class HiddenDepartures(acnsim.Interface):
    """acnportal's interface hands the true departure to algorithms; this one hands the told one in its place."""

    def _active_sessions(self) -> list[Any]:
        sessions = super()._active_sessions()
        for session in sessions:
            session.departure = max(session.estimated_departure, session.current_time + 1)
            session.min_rates = np.zeros(session.remaining_time)
            session.max_rates = np.full(session.remaining_time, np.inf)
        return sessions


def constraints_of(network: Any) -> list[Constraint]:
    matrix = network.constraint_matrix * np.exp(1j * np.deg2rad(network._phase_angles))
    return [
        Constraint(name, {s: complex(c) for s, c in zip(network.station_ids, row, strict=True) if c}, Series(limit))
        for name, row, limit in zip(network.constraint_index, matrix, network.magnitudes, strict=True)
    ]


class Ours(BaseAlgorithm):
    """The allocation as acnportal's algorithm."""

    def __init__(self, tells: bool, error: float | None = None, settings: Settings | None = None) -> None:
        super().__init__()
        self.max_recompute = 1
        self.tells, self.error = tells, error
        self.settings = settings or Settings()
        self.state = State()
        self.seconds: list[float] = []
        self.fallbacks = 0

    def schedule(self, active_sessions: list[Any]) -> dict[str, list[float]]:
        network = self.interface._simulator.network
        index = {name: i for i, name in enumerate(network.station_ids)}
        now = self.interface.current_time
        rates = self.interface.last_actual_charging_rate
        began = time.perf_counter()
        demands = []
        for s in active_sessions:
            allowed = tuple(float(a) for a in network.allowable_rates[index[s.station_id]] if a > 0)
            demands.append(
                Demand(
                    s.station_id,
                    phases=("line",),
                    voltage_v=VOLTAGE_V,
                    min_a=allowed[0],
                    max_a=allowed[-1],
                    steps_a=allowed,
                    session=s.session_id,
                    session_s=(now - s.arrival) * PERIOD_S,
                    drawn_a=rates.get(s.session_id) if s.arrival < now else None,
                    energy_wanted_wh=s.requested_energy * 1000,
                    energy_delivered_wh=s.energy_delivered * 1000,
                    departure_s=(s.estimated_departure - now) * PERIOD_S if self.tells else None,
                    departure_error=self.error,
                )
            )
        decided = plan(
            demands, constraints_of(network), self.state,
            now_s=now * PERIOD_S, period_s=PERIOD_S, settings=self.settings,
        )  # fmt: skip
        self.seconds.append(time.perf_counter() - began)
        self.state = decided.state
        self.fallbacks += decided.method is not Method.LP
        return {name: [decided.current_a(name)] for name in index}


def run(stays: list[Stay], transformer_kw: float, algorithm: BaseAlgorithm) -> Outcome:
    """Simulate one day. Counted as a switch: any pilot that goes from 0 or to 0, plugging in and out included."""
    network = acnsim.network.sites.caltech_acn(transformer_cap=transformer_kw)
    events = []
    for number, stay in enumerate(stays):
        battery = acnsim.models.Battery(stay.energy_kwh, 0.0, 100.0)
        told_departure = stay.departure if stay.told_departure is None else stay.told_departure
        ev = acnsim.models.EV(
            stay.arrival, stay.departure, stay.energy_kwh, stay.station, f"car-{number}", battery, told_departure
        )
        events.append(acnsim.events.PluginEvent(stay.arrival, ev))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        simulator = acnsim.Simulator(
            network, algorithm, acnsim.events.EventQueue(events), datetime(2018, 9, 5), PERIOD_MIN,
            verbose=False, interface_type=HiddenDepartures,
        )  # fmt: skip
        simulator.run()
    over = sum("Invalid schedule" in str(warning.message) for warning in caught)
    delivered = {key: ev.energy_delivered for key, ev in simulator.ev_history.items()}
    on = np.hstack([np.zeros((54, 1)), simulator.charging_rates > 0.1, np.zeros((54, 1))])
    seconds = getattr(algorithm, "seconds", [0.0])
    return Outcome(
        sum(delivered.values()) / sum(stay.energy_kwh for stay in stays),
        int(np.abs(np.diff(on)).sum()),
        sum(energy < 0.05 for energy in delivered.values()),
        over,
        float(np.mean(seconds)),
    )


def sorted_by(order: Callable[..., Any]) -> Callable[[], BaseAlgorithm]:
    return lambda: algorithms.SortedSchedulingAlgo(order)


PEERS: dict[str, tuple[float | None, Callable[[], BaseAlgorithm]]] = {
    "EDF": (0.0, sorted_by(algorithms.earliest_deadline_first)),
    "least laxity": (0.0, sorted_by(algorithms.least_laxity_first)),
    "round robin": (0.0, lambda: algorithms.RoundRobin(algorithms.first_come_first_served)),
    "plain LP-MPC": (0.0, PlainLpMpc),
    "plain LP-MPC, 30 % wrong": (0.3, PlainLpMpc),
}
OURS: dict[str, tuple[float | None, Callable[[], BaseAlgorithm]]] = {
    "ours, known": (0.0, lambda: Ours(True, 0.0)),
    "ours, as told": (0.0, lambda: Ours(True)),
    "ours, 30 % wrong": (0.3, lambda: Ours(True)),
    "ours, unknown": (None, lambda: Ours(False)),
}


def stations() -> list[str]:
    return list(acnsim.network.sites.caltech_acn().station_ids)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.acn")
    parser.add_argument("--days", nargs="*", default=["workplace"], choices=[*SHAPES, "real"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--transformers", nargs="*", type=float, default=[30, 40, 60, 80])
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    contenders = {**(PEERS if options.peers else {}), **OURS}
    if options.only:
        contenders = {k: v for k, v in contenders.items() if k in options.only}
    for shape in options.days:
        for kw in options.transformers:
            best = []
            rows: dict[str, list[Outcome]] = {name: [] for name in contenders}
            for seed in options.seeds:
                stays = real_day(seed) if shape == "real" else made_day(shape, seed, stations())
                best.append(bound(acnsim.network.sites.caltech_acn(transformer_cap=kw), stays))
                for name, (error, make) in contenders.items():
                    rows[name].append(run(told(stays, error, seed), kw, make()))
            print(f"{shape} {kw:g} kW: bound {np.mean(best):.3f}", flush=True)
            for name, outcomes in rows.items():
                share = np.array([o.delivered for o in outcomes])
                print(
                    f"  {name:26} {share.mean():.3f} ({share.mean() / np.mean(best) * 100:5.1f} % of the bound), switches "
                    f"{np.mean([o.switches for o in outcomes]):4.0f} (max {max(o.switches for o in outcomes)}), "
                    f"nothing {sum(o.left_with_nothing for o in outcomes)}, over {sum(o.over for o in outcomes)}, "
                    f"{np.mean([o.seconds_a_step for o in outcomes]) * 1000:.0f} ms a step",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
