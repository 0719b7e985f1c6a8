"""What one plan hands the next."""

from collections.abc import Sequence
from dataclasses import replace

from agents.load_balancer.allocation.cars import Car
from agents.load_balancer.allocation.model import Demand, History, Memory, State
from agents.load_balancer.allocation.network import Floats

SEEN = 500
"""Ended sessions that are remembered."""
SHORT_S = 600.0
"""A session that was shorter than this says nothing about stays."""
JUMP_S = 6 * 3600.0
"""A state older than this, or from the future, is of another time: its times are taken to be now."""


def with_seen(state: State, demands: Sequence[Demand], now_s: float) -> State:
    """Return ``state`` with the sessions that have ended since noted, and its times set to now if the clock jumped."""
    if not 0 <= now_s - state.now_s <= JUMP_S:
        state = State(now_s, {name: _moved(m, now_s - state.now_s) for name, m in state.chargers.items()}, state.seen)
    present = {demand.charger: demand.session for demand in demands}
    ended = [
        memory
        for name, memory in sorted(state.chargers.items())
        if present.get(name) != memory.session and memory.session_s >= SHORT_S
    ]
    if not ended:
        return state
    stays = (*state.seen.stays_s, *(m.session_s for m in ended))[-SEEN:]
    energies = (*state.seen.energies_wh, *(m.delivered_wh for m in ended))[-SEEN:]
    return replace(state, seen=History(stays, energies))


def _moved(memory: Memory, by_s: float) -> Memory:
    return replace(
        memory,
        since_s=memory.since_s + by_s,
        cut_s=memory.cut_s + by_s,
        raised_s=memory.raised_s + by_s,
        drew_s=memory.drew_s + by_s,
        lit_s=memory.lit_s + by_s,
    )


def next_state(state: State, cars: Sequence[Car], currents_a: Floats, now_s: float) -> State:
    """Return what to remember of this plan."""
    chargers: dict[str, Memory] = {}
    for car, value in zip(cars, currents_a, strict=True):
        before, current_a = car.memory, float(value)
        chargers[car.demand.charger] = Memory(
            session=car.demand.session,
            current_a=current_a,
            since_s=now_s if (current_a > 0) != (before.current_a > 0) else before.since_s,
            cut_s=now_s if 0 < current_a < before.current_a else before.cut_s,
            raised_s=now_s if current_a > before.current_a else before.raised_s,
            cap_a=before.cap_a,
            drew_s=now_s if current_a <= 0 or before.current_a <= 0 else before.drew_s,
            session_s=car.demand.session_s,
            delivered_wh=car.demand.energy_delivered_wh,
            served=before.served or current_a > 0,
            lit=before.lit,
            lit_s=before.lit_s,
            took_a=before.took_a,
            refused_a=before.refused_a,
        )
    return State(now_s, chargers, state.seen)
