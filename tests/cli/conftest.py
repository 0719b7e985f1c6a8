"""What the tests of the command line share."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.cli.main import main
from tests.brokers import RunningBroker
from tests.cli.scripted_charger import SITE, ScriptedCharger

SCREEN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def bare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `chargebus ARGUMENTS` in an empty folder, in this process: a start of Python each time would be slow."""

    def run(*arguments: str, **extra: str) -> Outcome:
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                if name.startswith("CHARGEBUS_"):
                    patch.delenv(name)
            for name, value in (SCREEN | extra).items():
                patch.setenv(name, value)
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["chargebus", *arguments])
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def chargebus(bare: Run, broker: RunningBroker) -> Run:
    """Run `chargebus ARGUMENTS` against the test's broker."""
    return lambda *arguments, **extra: bare(
        *arguments, CHARGEBUS_BROKER=f"{broker.host}:{broker.port}", CHARGEBUS_SITE=SITE, **extra
    )


@pytest.fixture
def charger(broker: RunningBroker) -> Iterator[ScriptedCharger]:
    """Charger c1 on the test's broker."""
    with ScriptedCharger(broker.host, broker.port) as running:
        yield running
