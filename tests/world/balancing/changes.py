"""Settings that change between two lives of a balancer: what a site's owner types, and what that means for the limits.

The fuses, the tree and the volts are from the change on what the new settings say; the wires of a charger stay where
they are, whatever rotation the settings name. A charger that is taken out of the settings hangs where it hung.
"""

from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

from agents.load_balancer.circuits.site import Site, SiteError, build_unchecked
from agents.load_balancer.settings import LoadBalancerSettings
from agents.runtime.configuration.site_config import SettingError

LEASES_S = (15, 20, 60, 120, 300)


def with_another_lease(random: Random, table: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with another life of the leases."""
    return {**table, "lease_s": random.choice(LEASES_S), "plan_s": random.choice([1.0, 5.0, 20.0])}


def changed(
    random: Random, table: dict[str, Any], wired: dict[str, tuple[str, ...]], least_a: dict[str, float], kept: set[str]
) -> dict[str, Any]:
    """Return settings that differ from ``table`` in some of everything.

    ``wired``: chargers whose rotation may be named wrongly, with the right one. ``least_a``: what each charger really
    falls back to, which must fit the new limits too. ``kept``: chargers that must not be taken out or moved.
    """
    new = with_another_lease(random, deepcopy(table))
    circuits, chargers = new["circuits"], new["chargers"]
    if random.random() < 0.5:
        new["configure_chargers"] = random.random() < 0.5
    if random.random() < 0.6:
        for circuit in circuits.values():
            circuit["limit_a"] = round(circuit["limit_a"] * random.choice([0.5, 0.75, 1.0, 1.25, 1.5]), 1)
            if "transformer_kva" in circuit:
                circuit["transformer_kva"] = round(circuit["transformer_kva"] * random.choice([0.75, 1.0, 1.3]), 2)
    if random.random() < 0.3:
        # Never below what is wired: chargers that have not said what that is would be counted with too little power.
        wired_v = max(each.get("voltage_v", new.get("nominal_voltage_v", 230.0)) for each in chargers.values())
        volts = random.choice([each for each in (120.0, 208.0, 230.0, 240.0) if each > wired_v] or [wired_v])
        for charger in chargers.values():
            charger["voltage_v"] = volts
    if random.random() < 0.4:
        fallback_a = random.choice([0.0, 6.0])
        for name in random.sample(list(chargers), random.randrange(1, len(chargers) + 1)):
            chargers[name]["fallback_a"] = fallback_a
    if random.random() < 0.3:
        _change_tree(random, circuits, chargers, kept)
    for name in wired:
        if name in chargers and random.random() < 0.15:
            rotation = ["L1", "L2", "L3"]
            random.shuffle(rotation)
            chargers[name]["rotation"] = rotation[: chargers[name].get("phases", 3)]
    return new if _fits(new, least_a) else with_another_lease(random, table)


def _change_tree(random: Random, circuits: dict[str, Any], chargers: dict[str, Any], kept: set[str]) -> None:
    """Add or drop a circuit, move a charger, take one out."""
    if "wing" not in circuits:
        circuits["wing"] = {"parent": "main", "limit_a": circuits["main"]["limit_a"]}
    elif "meter" not in circuits["wing"] and random.random() < 0.3:
        del circuits["wing"]
    for name, charger in chargers.items():
        if charger["circuit"] not in circuits:
            charger["circuit"] = "main"
        elif name not in kept and random.random() < 0.3:
            charger["circuit"] = random.choice(list(circuits))
    out = random.choice(list(chargers))
    if out not in kept and len(chargers) > 2 and random.random() < 0.4:
        del chargers[out]


def _fits(table: dict[str, Any], least_a: dict[str, float]) -> bool:
    """Tell whether the settings are accepted, also with what the chargers really fall back to."""
    try:
        LoadBalancerSettings.model_validate(table)
        as_it_falls_back(table, least_a)
    except (ValueError, SettingError, SiteError):
        return False
    return True


def as_it_falls_back(table: dict[str, Any], least_a: dict[str, float]) -> Site:
    """Return the site with what its chargers really fall back to, where that is more than what the settings say.

    Raises ValueError, SettingError or SiteError if that is too much.
    """
    real = deepcopy(table)
    for name, charger in real["chargers"].items():
        charger["fallback_a"] = max(charger.get("fallback_a", 6.0), least_a.get(name, 0.0))
    return LoadBalancerSettings.model_validate(real).site()


def as_wired(site: Site, wired: dict[str, tuple[str, ...]]) -> Site:
    """Return the site with its chargers on the phases that they are really wired to."""
    chargers = [replace(each, phases=wired[name]) for name, each in site.chargers.items()]
    return build_unchecked(site.circuits.values(), chargers, site.timezone)
