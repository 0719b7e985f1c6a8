"""The mutation tool itself: what it changes, and that it sees what survives."""

from pathlib import Path

import pytest

from tests.mutation import __main__ as command
from tests.mutation.mutants import mutants
from tests.mutation.running import _forked, judged

MODULE = '''
"""Text that is not changed: 1 < 2."""

LIMIT: int = 3


def within(value: int, spare: bool = False) -> bool:
    """Nor is this: 4."""
    if value < 0 and not spare:
        log.info("nor 5", value=6)
        raise ValueError("7")
    return value <= min(LIMIT, 9)
'''


def test_every_place_that_decides_is_changed_and_no_text() -> None:
    names = [mutant.name for mutant in mutants(MODULE)]
    assert names == [
        "module: 3 → 4",
        "module: 3 → 0",
        "within: False → True",
        "within: if value < 0 and (not spare) → if not (value < 0 and (not spare))",
        "within: value < 0 and (not spare) → value < 0 or not spare",
        "within: value < 0 and (not spare) → not spare",
        "within: value < 0 and (not spare) → value < 0",
        "within: value < 0 → value <= 0",
        "within: not spare → spare",
        "within: 0 → 1",
        "within: value <= min(LIMIT, 9) → value < min(LIMIT, 9)",
        "within: min(LIMIT, 9) → max(LIMIT, 9)",
        "within: 9 → 10",
        "within: 9 → 0",
    ]


def test_a_mutant_is_killed_by_a_failing_test_or_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.py").write_text("def least(a, b):\n    return min(a, b) if a != b else a\n")
    (tmp_path / "test_small.py").write_text(
        "from small import least\n\ndef test_it():\n    assert least(1, 2) == least(2, 1) == 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {verdict.mutant.name: verdict.survived for verdict in judged(Path("small.py"), ["test_small.py"])}
    assert found == {
        "least: min(a, b) if a != b else a → min(a, b) if not a != b else a": False,
        "least: a != b → a == b": False,
        "least: min(a, b) → max(a, b)": False,
    }
    (tmp_path / "test_small.py").write_text("import small\n\ndef test_it():\n    assert small.least(1, 1) == 1\n")
    assert all(verdict.survived for verdict in judged(Path("small.py"), ["test_small.py"]))


def test_a_result_may_be_larger_than_a_pipe_holds() -> None:
    names = [f"a.module.of.{number}" for number in range(20_000)]
    assert _forked(lambda: names, 60.0, 60) == names


def test_what_is_explained_is_read_by_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "SURVIVORS.md"
    table.write_text("# x\n\n## a.py\n\n| mutant | why |\n|---|---|\n| `f: a \\| b → a` | it is |\n\n## b.py\n")
    monkeypatch.setattr(command, "EXPLAINED", table)
    assert command.explained(Path("a.py")) == {"f: a | b → a"}
    assert command.explained(Path("b.py")) == set()
