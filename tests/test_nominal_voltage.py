"""230 V is nowhere built in (fault S2): it is a default that has a name, and whoever turns watts into amperes is given
the charger's own nominal voltage."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("agents", "bus_schema", "firmware/app", "firmware/sim")
ALLOWED = {
    "bus_schema/units.py": "the default, NOMINAL_VOLTAGE_V",
    "agents/load_balancer/migrations/0003_outstanding.py": "what had been built in until then",
    "bus_schema/examples.py": "an example of a message",
    "firmware/app/contract.py": "generated from the default",
    "firmware/sim/meter.py": "the supply of a virtual charger unless it is given another",
}
MAINS_V = {110, 115, 120, 127, 208, 220, 230, 240, 277}


def literals(source: str) -> list[tuple[int, float]]:
    """Return line and value of every number that is a mains voltage and used as one: multiplied, divided or a default.

    ``120`` alone is as often a time; 230 is nothing else.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp):
            operands = [node.left, node.right] if isinstance(node.op, ast.Mult | ast.Div) else []
            found += [_number(each) for each in operands if _value(each) in MAINS_V]
        if _value(node) == 230:
            found.append(_number(node))
    return sorted(set(found))


def _value(node: ast.AST) -> float | None:
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return node.value if is_number else None  # type: ignore[attr-defined]


def _number(node: ast.AST) -> tuple[int, float]:
    return node.lineno, node.value  # type: ignore[attr-defined]


def test_no_mains_voltage_is_built_in() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}:{line}": value
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in ALLOWED
        for line, value in literals(path.read_text(encoding="utf-8"))
    }
    assert wrong == {}, "use the charger's nominal_voltage_v, or bus_schema.units.NOMINAL_VOLTAGE_V for a default"


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("surplus_w -= 230.0 * value", [230.0]),
        ("def f(voltage_v: float = 230): ...", [230]),
        ("limit / (240 * phases)", [240]),
        ("x = y / 208", [208]),
        ("wait_s = 120", []),
        ("120 + x", []),
    ],
)
def test_the_search_finds_what_it_must(source: str, values: list[float]) -> None:
    assert [value for _, value in literals(source)] == values
