"""The site model: a tree that cannot be safe is refused with the sum that breaks it."""

from pathlib import Path

import pytest

from agents.load_balancer.circuits.site import Kind
from agents.load_balancer.settings import LoadBalancerSettings
from agents.registry import load_site
from agents.runtime.configuration.config_errors import ConfigError

GOOD = """
site = "garage"

[load_balancer.circuits.main]
limit_a = 63
meter = "main"
transformer_kva = 40

[load_balancer.circuits.wing]
parent = "main"
limit_a = 32
unbalance_a = 20

[load_balancer.chargers.c1]
circuit = "wing"
phases = 1
rotation = ["L2"]

[load_balancer.chargers.c2]
circuit = "main"
rotation = ["L3", "L1", "L2"]
fallback_a = 0
"""


def load(tmp_path: Path, text: str) -> LoadBalancerSettings:
    path = tmp_path / "site.toml"
    path.write_text(text)
    return load_site(path).settings("load_balancer", LoadBalancerSettings)


def refused(tmp_path: Path, old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, GOOD.replace(old, new))
    return str(raised.value)


def test_a_charger_counts_on_its_own_phases_in_every_circuit_above_it(tmp_path: Path) -> None:
    site = load(tmp_path, GOOD).site()
    counted = {
        (row.circuit, row.kind, row.phase): dict(row.members)
        for row in site.rows
        if row.members and row.kind is not Kind.UNBALANCE
    }
    assert counted == {
        ("main", Kind.PHASE, "L1"): {"c2": 1.0},
        ("main", Kind.PHASE, "L2"): {"c1": 1.0, "c2": 1.0},
        ("main", Kind.PHASE, "L3"): {"c2": 1.0},
        ("main", Kind.POWER, None): {"c1": 230.0, "c2": 690.0},
        ("wing", Kind.PHASE, "L2"): {"c1": 1.0},
    }
    lopsided = [row for row in site.rows if row.kind is Kind.UNBALANCE]
    assert [(row.phase, dict(row.members)) for row in lopsided] == [("L1", {}), ("L2", {"c1": 1.0}), ("L3", {})]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('parent = "main"', 'parent = "wing"', "goes in a circle: wing → wing"),
        ('parent = "main"', 'parent = "attic"', "there is no circuit 'attic'; there are: main, wing"),
        ("limit_a = 32", "limit_a = 0", "must be more than 0 A at all times"),
        ('circuit = "wing"', 'circuit = "attic"', "there is no circuit 'attic'"),
        ("limit_a = 32", "limit_a = 5", "exceed phase L2 of circuit wing: c1 6 = 6 A, limit 5 A"),
        ("unbalance_a = 20", "unbalance_a = 3", "exceed the unbalance on L2 of circuit wing: c1 6 = 6 A, limit 3 A"),
        (
            "transformer_kva = 40",
            "transformer_kva = 1",
            "the transformer of circuit main: c1 1380 = 1380 VA, limit 1000 VA",
        ),
        ("transformer_kva = 40", "blind_limit_a = 5", "c1 6 = 6 A, limit without the meter 5 A"),
        ("limit_a = 32", 'limit_a = 32\nmeter = "main"', "already measures circuit"),
        ("limit_a = 32", "limit_a = 32\nblind_limit_a = 9", "is for a circuit with a meter"),
        ("limit_a = 32", "limit_a = 32\nother_load_a = 32", "leave nothing of 32 A"),
        ("fallback_a = 0", "fallback_a = 4", "is 4 A; give 0 (pauses without the balancer) or 6 to 32 A"),
        ("fallback_a = 0", "fallback_a = 40", "is 40 A"),
        ("fallback_a = 0", "rated_a = 4", "no car can be offered less than 6 A"),
        ('rotation = ["L2"]', 'rotation = ["L2", "L3"]', "names 2 phases for a charger of 1"),
        ('rotation = ["L3", "L1", "L2"]', 'rotation = ["L3", "L3", "L2"]', "name each of the charger's phases once"),
        (
            "limit_a = 32",
            'limit_a = 32\ncontract = [{ hours = "17-20", limit_a = 6 }]',
            'write the hours as "17:00-20:30"',
        ),
        (
            "limit_a = 32",
            'limit_a = 32\ncontract = [{ hours = "17:00-20:00", limit_a = 5 }]',
            "exceed phase L2 of circuit wing: c1 6 = 6 A, limit 5 A",
        ),
        ('site = "garage"', 'site = "garage"\n[load_balancer]\ntimezone = "Moon"', "is not a time zone"),
    ],
)
def test_what_cannot_be_safe_is_refused_with_the_sum(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert told in refused(tmp_path, old, new)


def test_a_long_circle_is_shown_whole(tmp_path: Path) -> None:
    text = 'site = "x"\n' + "".join(
        f'[load_balancer.circuits.{name}]\nlimit_a = 9\nparent = "{parent}"\n' for name, parent in ("ab", "bc", "ca")
    )
    with pytest.raises(ConfigError, match="a → b → c → a"):
        load(tmp_path, text)


def test_the_error_names_the_line(tmp_path: Path) -> None:
    text = refused(tmp_path, "limit_a = 32", "limit_a = 5")
    assert "site.toml:11: load_balancer.circuits.wing.limit_a:" in text


def test_every_setting_has_a_default_that_loads(tmp_path: Path) -> None:
    assert load(tmp_path, 'site = "garage"\n').site().rows == ()


def test_chargers_have_the_sites_voltage_or_their_own(tmp_path: Path) -> None:
    at_208_v = "\n[load_balancer]\nnominal_voltage_v = 120\n[load_balancer.circuits.main]"
    text = GOOD.replace("\n[load_balancer.circuits.main]", at_208_v)
    site = load(tmp_path, text.replace("phases = 1", "phases = 1\nvoltage_v = 208")).site()
    (power,) = (row for row in site.rows if row.kind is Kind.POWER)
    assert dict(power.members) == {"c1": 208.0, "c2": 360.0}
    meter = site.circuits["main"].meter
    assert meter is not None and meter.voltage_v == 120.0
