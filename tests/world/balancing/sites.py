"""Small sites drawn from a seed."""

from random import Random
from typing import Any

from agents.load_balancer.circuits.site import Site, fixed_limit
from bus_schema.units import NOMINAL_VOLTAGE_V

SUPPLIES = {120.0: 208.0, 230.0: 230.0, 240.0: 240.0}
"""Nominal volts between a phase and neutral, and across a charger of one phase: between two poles at 208 V."""


def random_site(random: Random) -> dict[str, Any]:
    """Return the section ``[load_balancer]`` of a small site that can be kept safe."""
    count = random.randrange(3, 7)
    fallback_a = random.choice([0.0, 0.0, 6.0])
    names = [f"c{number + 1}" for number in range(count)]
    circuits: dict[str, Any] = {"main": {}}
    if random.random() < 0.6:
        circuits["wing"] = {"parent": "main"}
    chargers: dict[str, Any] = {}
    for name in names:
        phases = random.choice([1, 3, 3])
        rotation = ["L1", "L2", "L3"]
        random.shuffle(rotation)
        chargers[name] = {
            "circuit": random.choice(list(circuits)),
            "phases": phases,
            "rotation": rotation[:phases],
            "rated_a": random.choice([16.0, 32.0, 32.0]),
            "fallback_a": fallback_a,
        }
    # Now and then there is room for one charger that nobody has told to wait for the balancer.
    wild_a = random.choice([0.0, 0.0, 0.0, chargers["c1"]["rated_a"]])
    least = max(16.0, count * fallback_a) + wild_a
    for circuit in circuits.values():
        circuit["limit_a"] = round(least + random.uniform(0, 24.0), 1)
        if random.random() < 0.25:
            circuit["meter"] = f"m{circuit.get('parent', 'root')}"
        if random.random() < 0.25:
            circuit["transformer_kva"] = round(0.69 * (least + random.uniform(0, 24.0)), 2)
        if random.random() < 0.2:
            circuit["unbalance_a"] = max(20.0, count * fallback_a) + wild_a
        if random.random() < 0.3:
            # EPOCH_MS is 2026-09-01T08:00:00Z.
            lowest = round(max(6.0, count * fallback_a) + wild_a + random.uniform(0, 6.0), 1)
            circuit["contract"] = [{"hours": "08:05-08:09", "limit_a": min(lowest, circuit["limit_a"])}]
    site = {"circuits": circuits, "chargers": chargers, "lease_s": random.choice([20, 60])}
    return site | _supply(random, site)


def _supply(random: Random, site: dict[str, Any]) -> dict[str, Any]:
    """Return the voltage of the site; what its transformers bear and its one-phase chargers get goes with it."""
    nominal_v = random.choice(list(SUPPLIES))
    for circuit in site["circuits"].values():
        if "transformer_kva" in circuit:
            at_230_v = circuit["transformer_kva"]
            circuit["transformer_kva"] = round(at_230_v * nominal_v / NOMINAL_VOLTAGE_V, 2)
    for charger in site["chargers"].values():
        if charger["phases"] == 1:
            charger["voltage_v"] = SUPPLIES[nominal_v]
    return {"nominal_voltage_v": nominal_v}


def wild_charger(site: Site) -> str | None:
    """Return c1 if there is room for all that it can draw beside everybody's fallback, at all times."""
    wild = site.chargers["c1"]
    for number, weight in site.rows_of["c1"]:
        row, others = site.rows[number], site.fallback_sums[number] - weight * wild.fallback_a
        circuit = site.circuits[row.circuit]
        if others + weight * wild.rated_a > fixed_limit(circuit, row, circuit.limit.lowest()):
            return None
    return "c1"
