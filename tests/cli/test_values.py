"""What people type: the right is understood, the wrong is told what would be right."""

import typer
from hypothesis import given
from hypothesis import strategies as st
from pytest import mark, raises

from agents.cli import values
from bus_schema import is_id


@mark.parametrize("text", ["+", "#", "c1/+", "a/b", "C1", "", "ü", "c1 ", "-c1", "x" * 33, "c1\n", "$SYS"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with raises(typer.BadParameter, match="use 1 to 32 characters"):
        values.charger_id(text)


@given(st.text(max_size=40))
def test_an_id_is_taken_exactly_if_the_contract_takes_it(text: str) -> None:
    if is_id(text):
        assert values.charger_id(text) == text
    else:
        with raises(typer.BadParameter):
            values.charger_id(text)


@mark.parametrize(("text", "value"), [("16", 16.0), ("9.5", 9.5), ("0", 0.0), ("16A", 16.0), (" 6 a", 6.0)])
def test_amperes(text: str, value: float) -> None:
    assert values.amperes(text) == value


@mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "-1", "-0.1", "1e9", "1001", "sixteen", "", "16 V", "A"])
def test_impossible_amperes(text: str) -> None:
    with raises(typer.BadParameter):
        values.amperes(text)


@mark.parametrize(("text", "value"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400), (30, 30)])
def test_durations(text: str, value: int) -> None:
    assert values.duration_s(text) == value


@mark.parametrize("text", ["0", "-5m", "1.5h", "5 minutes", "", "366d", "١٥m"])
def test_impossible_durations(text: str) -> None:
    with raises(typer.BadParameter):
        values.duration_s(text)


@mark.parametrize(("text", "value"), [("10kWh", 10_000), ("1.5 kwh", 1500), ("500Wh", 500), ("700", 700)])
def test_energies(text: str, value: int) -> None:
    assert values.energy_wh(text) == value


@mark.parametrize("text", ["0", "-1kWh", "nan", "10kW", "1e3", "99999kWh"])
def test_impossible_energies(text: str) -> None:
    with raises(typer.BadParameter):
        values.energy_wh(text)


@mark.parametrize(
    ("text", "kind", "value"),
    [
        ("04a2b3c4", "rfid", "04A2B3C4"),
        ("04:a2:b3:c4", "rfid", "04A2B3C4"),
        ("rfid:04-a2-b3-c4", "rfid", "04A2B3C4"),
        ("app:anna", "app", "anna"),
        ("backend:TAG:1", "backend", "TAG:1"),
    ],
)
def test_tokens(text: str, kind: str, value: str) -> None:
    token = values.token(text)
    assert (token.type, token.value) == (kind, value)


@mark.parametrize("text", ["anna", "badge:1", "app:", "rfid:", "app:" + "x" * 65, ""])
def test_impossible_tokens(text: str) -> None:
    with raises(typer.BadParameter):
        values.token(text)
