"""What products do otherwise stands in one table, and nowhere else."""

import re
from dataclasses import fields
from pathlib import Path

from agents import ocpp_bridge
from agents.ocpp_bridge.peculiarities import PECULIARITIES, Peculiarities

FOLDER = Path(ocpp_bridge.__file__).parent


def test_no_product_is_named_outside_the_table() -> None:
    names = "|".join(name for name in PECULIARITIES if name != "any")
    code = re.compile(rf"(?<![/:.\w])[\"']({names})[\"']", re.IGNORECASE)
    found = [path.name for path in FOLDER.rglob("*.py") if code.search(path.read_text(encoding="utf-8"))]
    assert found == ["peculiarities.py"]


def test_every_peculiarity_has_a_reason_and_is_used() -> None:
    text = (FOLDER / "peculiarities.py").read_text(encoding="utf-8")
    others = "".join(p.read_text(encoding="utf-8") for p in FOLDER.rglob("*.py") if p.name != "peculiarities.py")
    for field in fields(Peculiarities):
        assert re.search(rf'^    {field.name}: .+\n    """', text, re.MULTILINE), field.name
        assert f".{field.name}" in others, field.name


def test_a_product_without_peculiarities_is_served_by_the_protocol() -> None:
    assert PECULIARITIES["any"] == Peculiarities()
