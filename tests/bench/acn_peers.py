"""What ours is compared with: the perfect-foresight bound and a plain LP-MPC. acnportal brings the others."""

from typing import Any

import numpy as np
from acnportal.algorithms import BaseAlgorithm
from scipy import sparse
from scipy.optimize import linprog

from tests.bench.acn_days import MOST_A, PERIOD_MIN, VOLTAGE_V, Stay

TANGENTS = 24
AMPERE_PERIODS_PER_KWH = 1000 / VOLTAGE_V * 60 / PERIOD_MIN


def half_planes(network: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and limits whose polygon encloses the network's circles: an upper bound stays one."""
    matrix = network.constraint_matrix * np.exp(1j * np.deg2rad(network._phase_angles))
    rows, limits = [], []
    for coefficients, limit in zip(matrix, network.magnitudes, strict=True):
        for angle in 2 * np.pi * np.arange(TANGENTS) / TANGENTS:
            row = (coefficients * np.exp(-1j * angle)).real
            if (row > 1e-9).any():
                rows.append(row)
                limits.append(limit)
    return np.array(rows), np.array(limits)


def most_energy(
    network: Any, windows: list[tuple[int, int, int, float]], early: float = 0.0
) -> tuple[float, np.ndarray, np.ndarray]:
    """Maximise energy. ``windows`` are (EVSE, first period, end, kWh). Returns share, first currents, all."""
    rows, limits = half_planes(network)
    car = np.concatenate([np.full(end - begin, k) for k, (_, begin, end, _) in enumerate(windows)])
    time = np.concatenate([np.arange(begin, end) for _, begin, end, _ in windows])
    evse = np.array([window[0] for window in windows])[car]
    wanted = np.array([window[3] for window in windows]) * AMPERE_PERIODS_PER_KWH
    parts, upper = [], []
    for at in np.unique(time):
        here = np.flatnonzero(time == at)
        block = rows[:, evse[here]]
        binding = np.maximum(block, 0).sum(axis=1) * MOST_A > limits
        if binding.any():
            wide = sparse.coo_matrix(block[binding])
            parts.append(sparse.csr_matrix((wide.data, (wide.row, here[wide.col])), (binding.sum(), car.size)))
            upper.append(limits[binding])
    parts.append(sparse.csr_matrix((np.ones(car.size), (car, np.arange(car.size)))))
    upper.append(wanted)
    value = -(1.0 - early * (time - time.min()))
    found = linprog(
        value, A_ub=sparse.vstack(parts), b_ub=np.concatenate(upper), bounds=(0, MOST_A),
        method="highs-ds" if early else "highs-ipm",
    )  # fmt: skip
    first = np.zeros(len(windows))
    first[car[time == time.min()]] = found.x[time == time.min()]
    return float(found.x.sum() / wanted.sum()), first, found.x


def bound(network: Any, stays: list[Stay]) -> float:
    """Return the largest share of the requested energy that any schedule with perfect foresight could deliver."""
    index = {name: i for i, name in enumerate(network.station_ids)}
    return most_energy(network, [(index[s.station], s.arrival, s.departure, s.energy_kwh) for s in stays])[0]


class PlainLpMpc(BaseAlgorithm):
    """Each period the LP over all cars that are there and the departures they told, rounded down to pilot steps."""

    def __init__(self) -> None:
        super().__init__()
        self.max_recompute = 1

    def schedule(self, active_sessions: list[Any]) -> dict[str, list[float]]:
        network = self.interface._simulator.network
        index = {name: i for i, name in enumerate(network.station_ids)}
        now = self.interface.current_time
        cars = [s for s in active_sessions if s.estimated_departure > now]
        if not cars:
            return {}
        windows = [(index[s.station_id], 0, s.estimated_departure - now, s.remaining_demand) for s in cars]
        _, first, _ = most_energy(network, windows, early=1e-4)
        pilots = np.zeros(len(index))
        order = np.argsort(-first)
        for k in order:
            allowed = network.allowable_rates[windows[k][0]]
            pilots[windows[k][0]] = allowed[allowed <= first[k] + 1e-6].max()
        for k in order:
            _fit(network, pilots, windows[k][0])
        for k in order:  # what rounding down left over
            evse = windows[k][0]
            allowed = network.allowable_rates[evse]
            for pilot in allowed[(allowed > pilots[evse]) & (allowed <= min(MOST_A, np.ceil(first[k])))]:
                more = pilots.copy()
                more[evse] = pilot
                if network.is_feasible(more.reshape(-1, 1)):
                    pilots = more
        return {name: [float(pilots[i])] for name, i in index.items()}


def _fit(network: Any, pilots: np.ndarray, evse: int) -> None:
    """Lower one pilot until the circles, not only their polygons, are kept."""
    allowed = network.allowable_rates[evse]
    while pilots[evse] > 0 and not network.is_feasible(pilots.reshape(-1, 1)):
        pilots[evse] = allowed[allowed < pilots[evse]].max()
