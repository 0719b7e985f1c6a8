"""Every trip path, from the input to the contactor's output, within the time that the facts give (invariant 1)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.firmware.unix.program import run

pytestmark = pytest.mark.micropython

SAMPLE_MS = 1
"""A cause is seen with the next sample."""
PATHS = 23


@pytest.fixture(scope="module")
def trips(unix_port: str) -> list[dict[str, Any]]:
    """What ``trips.py`` has measured; it fails by itself where something closes that must not."""
    return [json.loads(line) for line in run(unix_port, "trips.py").splitlines()]


def test_every_path_opens_the_contactor_within_its_limit(trips: list[dict[str, Any]]) -> None:
    late = [trip for trip in trips if trip["coil_ms"] is None or trip["coil_ms"] > trip["limit_ms"] + SAMPLE_MS]
    assert not late
    assert len({trip["path"] for trip in trips}) == PATHS


def test_what_the_application_finds_or_is_told_opens_it_too(unix_port: str, tmp_path: Path) -> None:
    """Also for a car that stays in C; the script itself checks that an energy cap is kept."""
    trips = [json.loads(line) for line in run(unix_port, "app_trips.py", str(tmp_path)).splitlines()]
    assert len(trips) == 7
    assert [trip for trip in trips if trip["coil_ms"] is None or trip["coil_ms"] > trip["limit_ms"]] == []
    assert [trip for trip in trips if trip["fault"] and trip["fault"] not in trip["faults"]] == []


def test_leaving_c_has_the_contacts_themselves_open_within_100_ms(trips: list[dict[str, Any]]) -> None:
    leaving = [trip for trip in trips if trip["limit_ms"] == 100 and "to" in trip["path"]]
    assert len(leaving) == 3
    assert all(trip["open_ms"] <= 100 for trip in leaving)


def test_silence_of_the_application_is_noticed_within_2_s(trips: list[dict[str, Any]]) -> None:
    silent = [trip for trip in trips if trip["fault"] == "heartbeat_lost"]
    assert len(silent) == 3
    assert all(trip["coil_ms"] <= 2000 for trip in silent)


def test_the_reason_is_said(trips: list[dict[str, Any]]) -> None:
    assert [trip for trip in trips if trip["fault"] and trip["fault"] not in trip["faults"]] == []
