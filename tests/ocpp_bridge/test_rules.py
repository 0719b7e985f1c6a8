"""The list of rules names tests that exist, at least one for each rule and each configuration key."""

import re
from pathlib import Path

from tests.named_tests import that_do_not_exist
from tests.ocpp_bridge.test_configuration import CORE

TEXT = (Path(__file__).parent / "RULES.md").read_text(encoding="utf-8")


def test_what_is_named_exists() -> None:
    assert that_do_not_exist(TEXT) == []


def test_every_rule_and_every_key_has_a_test() -> None:
    for rule in re.split(r"\n\n", TEXT.split("\n## ", 1)[1])[:-1]:
        assert "\n- `tests/" in rule or rule.startswith("## Configuration keys"), rule
    keys = TEXT.split("## Configuration keys")[1]
    assert {key for key in CORE if not re.search(rf"^{key}\n- `tests/", keys, re.MULTILINE)} == set()
