"""The module cp_pwm under MicroPython: what it takes, what it gives, and that it costs no memory."""

import re

import pytest

from firmware.cp_pwm.specification import faults
from tests.firmware.unix.program import ROOT, run

pytestmark = pytest.mark.micropython


def test_the_module(unix_port: str) -> None:
    done = run(unix_port, "native_module.py").split()
    assert done[0] == "nothing_is_known_at_first" and done[-1] == "energy"
    assert len(done) == 10


def test_the_pilots_words_for_faults_are_the_specifications() -> None:
    source = (ROOT / "firmware/boards/native_pilot.py").read_text()
    (words,) = re.findall(r"FAULTS = \((.*?)\)", source, re.DOTALL)
    assert tuple(re.findall(r'"(\w+)"', words)) == faults.NAMES
