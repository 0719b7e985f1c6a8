"""The list of invariants names tests that exist, and misses no invariant."""

import re

from tests.deploy.site import ROOT
from tests.named_tests import that_do_not_exist

TEXT = (ROOT / "tests/INVARIANTS.md").read_text()


def test_every_invariant_is_numbered_and_has_tests() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    assert [int(section.split(".")[0]) for section in sections] == list(range(1, 12))
    assert all("\n- `tests/" in section for section in sections)


def test_every_fault_that_was_found_has_a_test() -> None:
    faults = dict(re.findall(r"^- \*\*([SX]\d+)\*\*((?:.|\n(?!- ))+)", TEXT, re.MULTILINE))
    assert list(faults) == [*(f"S{n}" for n in range(1, 7)), *(f"X{n}" for n in range(1, 14))]
    assert all("`tests/" in words for words in faults.values())


def test_what_is_named_exists() -> None:
    assert that_do_not_exist(TEXT) == []
