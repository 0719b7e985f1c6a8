"""The mutation of the safety core: its mutants are what they should be, and a sample of them is killed.

``python -m tests.firmware.cp_pwm.mutation`` tries all of them.
"""

import shutil
from pathlib import Path
from random import Random

import pytest

from tests.firmware.cp_pwm.mutation.__main__ import run
from tests.firmware.cp_pwm.mutation.mutator import mutants
from tests.firmware.cp_pwm.mutation.survivors import SURVIVORS
from tests.firmware.cp_pwm.mutation.trial import all_mutants
from tests.missing import missing

SAMPLE = 30
SOURCE = """\
#include <stdint.h> /* 1 < 2 */
#define LIMIT_MS 50
static cp_ms since(const cp_core *core) {
    if (!core->on) { /* if (1) { */
        core->on = true;
    }
    return core->ms > 0 ? core->ms : 0;
}
"""
MUTANTS = {
    (2, "#define LIMIT_MS 51"),
    (2, "#define LIMIT_MS 49"),
    (4, "if (core->on) { /* if (1) { */"),
    (4, "if (0) { /* if (1) { */"),
    (4, "if (1) { /* if (1) { */"),
    (5, "core->on = false;"),
    (5, ";"),
    (7, "return core->ms >= 0 ? core->ms : 0;"),
    (7, "return core->ms <= 0 ? core->ms : 0;"),
    (7, "return core->ms > 0 && 0 ? core->ms : 0;"),
    (7, "return core->ms > 0 || 1 ? core->ms : 0;"),
    (7, "return core->ms > 1 ? core->ms : 0;"),
    (7, "return core->ms > 0 ? core->ms : 1;"),
    (7, "return 0;"),
    (7, "return 1;"),
}


def test_one_small_thing_is_changed_at_a_time() -> None:
    found = list(mutants("some.c", SOURCE))
    assert {(mutant.line, mutant.new.strip()) for mutant in found} == MUTANTS
    assert len(found) == len(MUTANTS)
    assert found[0].applied(SOURCE) == SOURCE.replace("LIMIT_MS 50", "LIMIT_MS 51")


def test_every_reason_is_that_of_a_mutant_and_says_something() -> None:
    everyone = all_mutants()
    assert len(everyone) > 900
    assert set(SURVIVORS) <= {mutant.key for mutant in everyone}
    assert all(len(why) > 20 for why in SURVIVORS.values())


@pytest.mark.slow
def test_a_sample_is_killed(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        missing("a C compiler (cc)")
    fates, unexplained = run(Random("sample").sample(all_mutants(), SAMPLE), tmp_path)
    assert not unexplained
    assert sum(fates.values()) == SAMPLE
