"""Words that stand in three places (C, specification, the app's side of the binding) are the same."""

import importlib
import re
import sys
from types import ModuleType

import pytest

from firmware.cp_pwm.specification import faults
from firmware.cp_pwm.specification.levels import STATES
from tests.firmware.cp_pwm.native import MAKE_FOLDER

HEADER = (MAKE_FOLDER.parent / "core" / "cp_types.h").read_text()


@pytest.fixture
def native_pilot(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that MicroPython imports, with nothing below it."""
    monkeypatch.setitem(sys.modules, "cp_pwm", ModuleType("cp_pwm"))
    monkeypatch.delitem(sys.modules, "firmware.boards.native_pilot", raising=False)
    module = importlib.import_module("firmware.boards.native_pilot")
    monkeypatch.delitem(sys.modules, "firmware.boards.native_pilot")
    return module


def test_the_apps_faults_and_states_are_those_of_the_specification(native_pilot: ModuleType) -> None:
    assert native_pilot.FAULTS == faults.NAMES
    assert tuple(STATES) == native_pilot._STATES
    assert native_pilot.fault_words(faults.DIODE_MISSING | faults.GROUND_LOST) == ("diode_missing", "ground_lost")


def test_every_state_of_the_c_core_is_that_of_the_specification() -> None:
    (states,) = re.findall(r"typedef enum \{ (.*?) \} cp_state;", HEADER)
    assert [state.removeprefix("CP_") for state in states.split(", ")] == [state.upper() for state in STATES]
