"""The page about upgrading: its commands can be typed and are run by tests, its words are those that are printed."""

import re
import shlex

import pytest

from tests.cli.test_named_commands import parse
from tests.deploy.site import ROOT
from tests.named_tests import named, that_do_not_exist
from tests.recovery.test_page import COMMON, is_quoted, printed

PAGE = (ROOT / "docs/upgrading.md").read_text()
TYPED = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in block.split("\n")
]
SHOWN = [
    line for block in re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in block.split("\n")
]
ELSEWHERE = {
    "update-firmware": "tests/cli/test_maintenance.py",
    "deploy/install.sh": "tests/upgrading/test_broker_data.py",
    "deploy/prepare.sh": "tests/deploy/test_compose_up.py",
    "deploy/compose.yaml": "tests/deploy/test_compose_up.py",
}
"""Where what needs root, Docker or a charger's image is run."""


def test_what_is_named_exists() -> None:
    assert that_do_not_exist(PAGE) == []
    for path in re.findall(r"`((?:deploy|docs|tests)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("line", [line for line in TYPED if line])
def test_a_command_can_be_typed_and_is_run_by_a_test(line: str) -> None:
    parse(line)
    words = shlex.split(line)[1:3]
    word = words[1] if words[0] == "pki" else words[0]
    files = {entry.partition("::")[0] for entry in named(PAGE)} | {COMMON.get(word, "")}
    assert any(f'"{word}"' in (ROOT / file).read_text() for file in files if file), word


@pytest.mark.parametrize("line", [line for line in SHOWN if line])
def test_a_command_that_needs_more_is_run_elsewhere(line: str) -> None:
    if line.startswith("chargebus "):
        parse(line)
    tools = [tool for tool in ELSEWHERE if tool in line]
    assert tools or line == "docker volume rm chargebus-garage_broker"
    for tool in tools:
        assert (
            tool.rpartition("/")[2]
            in (ROOT / ELSEWHERE[tool]).read_text() + (ROOT / "tests/deploy/stack.py").read_text()
        )


def test_the_volume_of_the_broker_is_called_so() -> None:
    compose = (ROOT / "deploy/compose.yaml").read_text()
    assert "- broker:/mosquitto/data" in compose and re.search(r"^volumes:\n(  .*\n)*  broker:", compose, re.MULTILINE)


@pytest.mark.parametrize("quote", re.findall(r"^> (.+)$", PAGE, re.MULTILINE))
def test_quoted_words_are_those_that_are_printed(quote: str) -> None:
    assert any(is_quoted(quote, text) for text in printed()), quote
