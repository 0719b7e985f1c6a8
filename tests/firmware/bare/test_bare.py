"""The app and the native module on a chip: 32 bits, little memory, no operating system, ticks that wrap."""

import ast
from pathlib import Path

import pytest

from tests.firmware.bare.cortex_m3 import ROOT, image, instructions, run
from tests.firmware.unix import program

pytestmark = pytest.mark.micropython

LIFE = ROOT / "tests/firmware/app/life.py"
RIG = ROOT / "tests/firmware/unix/rig.py"
TICKS_PERIOD_MS = 1 << 30
"""MicroPython's, on 32 bits: 12 days."""
COUNTER_PERIOD_MS = 1 << 32
"""That of the processor's own counter: 50 days."""
MOST_INSTRUCTIONS = 2_000
"""Of one turn of the safety loop. An ESP32 has 240,000 cycles a millisecond."""
NEEDS_A_HOST = {"firmware/app/seam.py", "firmware/boards/__main__.py", "firmware/boards/tables.py"}
"""What is not frozen for a chip (firmware/manifest.py)."""


@pytest.fixture(scope="module")
def chip() -> Path:
    """The image."""
    return image()


@pytest.fixture(scope="module")
def unix_story(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the unix port publishes."""
    unix = program.micropython()
    return program.run(unix, str(LIFE), str(tmp_path_factory.mktemp("life")))


def modules() -> list[str]:
    """Every module of app and boards that a chip has."""
    files = [path for top in ("app", "boards") for path in sorted((ROOT / "firmware" / top).rglob("*.py"))]
    names = [str(path.relative_to(ROOT)) for path in files]
    chosen = [name for name in names if name not in NEEDS_A_HOST and "/unix_" not in name]
    return [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in chosen]


def test_every_module_can_be_imported(chip: Path) -> None:
    wanted = modules()
    assert len(wanted) > 80
    assert run(chip, "imports.py", *wanted).splitlines() == wanted


@pytest.mark.parametrize("wraps_at_ms", [0, TICKS_PERIOD_MS, COUNTER_PERIOD_MS])
def test_the_story_is_byte_for_byte_that_of_the_unix_port(chip: Path, unix_story: str, wraps_at_ms: int) -> None:
    """On littlefs; also when the clock's ticks wrap in the middle of it."""
    begin_ms = max(0, wraps_at_ms - 100_000)
    story = run(chip, "story.py", begin_ms, modules=(LIFE,))
    assert story.count("\n") > 800
    assert story == unix_story


@pytest.mark.parametrize(
    ("wrap_ms", "uptime"),
    [(TICKS_PERIOD_MS, "wrapped"), (1 << 31, "wrapped"), (COUNTER_PERIOD_MS, "wrapped"), (1 << 24, "grew")],
)
def test_the_safety_loop_charges_through_a_wrap(chip: Path, wrap_ms: int, uptime: str) -> None:
    kept, opened = run(chip, "wraps.py", wrap_ms, modules=(RIG,)).splitlines()
    assert kept == f"{uptime} []", "nothing happens"
    # Coil, contacts, state: as without a wrap (native_module.py).
    assert ast.literal_eval(opened) == [(51, 1, 0), (72, 2, 0), (251, 0, 1)]


def test_the_longest_turn_of_the_safety_loop_is_short(chip: Path) -> None:
    longest, turns = map(int, run(chip, "longest_tick.py", modules=(RIG,), counts_instructions=True).split())
    print(f"\nlongest turn of the safety loop: {instructions(longest)} instructions, of {turns}")
    assert turns > 200_000
    assert instructions(longest) < MOST_INSTRUCTIONS
