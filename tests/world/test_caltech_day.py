"""One real day of a garage of 54 stations: the ledger has every car's energy to the watt-hour."""

import pytest

from tests.world.checks.records import recorded_sessions
from tests.world.day import CALTECH_STATIONS, caltech_day


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_ledger_has_every_cars_energy_to_the_watt_hour() -> None:
    with caltech_day() as day:
        day.run_day()
        sessions = recorded_sessions(day.ledger_database())
        assert len(day.boxes) == CALTECH_STATIONS
        assert len(day.cars) == len(sessions) == 94
        by_charger = {name: [s for s in sessions if s.charger == name] for name in day.boxes}
        for stay, car in day.cars:
            assert car.energy_wh == pytest.approx(stay.energy_wh, abs=0.5), f"{car.name} did not get what it wanted"
            session = by_charger[stay.charger].pop(0)
            assert abs(session.energy_wh - car.energy_wh) <= 1, f"{car.name}: {car.energy_wh:.2f} Wh, ledger {session}"
