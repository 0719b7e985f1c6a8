"""How a new virtual charger is set up, and that nobody sets one up a second time."""

from pathlib import Path

import pytest

from firmware.app.settings import FILES, Settings
from firmware.app.storage import FileStorage
from firmware.sim.station import set_up


@pytest.fixture
def flash(tmp_path: Path) -> FileStorage:
    return FileStorage(str(tmp_path))


def read(flash: FileStorage) -> Settings:
    settings = Settings(flash)
    settings.load()
    return settings


def test_a_new_charger_obeys_whom_it_must(flash: FileStorage) -> None:
    set_up(flash, ("load_balancer",))
    assert read(flash).required_sources == ("load_balancer",)
    assert not read(flash).damaged


def test_what_a_charger_was_told_later_stands(flash: FileStorage) -> None:
    read(flash).change({"required_sources": ()})
    set_up(flash, ("load_balancer",))
    assert read(flash).required_sources == ()


def test_settings_that_cannot_be_read_are_not_replaced(flash: FileStorage) -> None:
    for name in FILES:
        flash.write(name, b"rubbish")
    set_up(flash, ("load_balancer",))
    assert read(flash).damaged


def test_nothing_is_written_where_nothing_is_asked_for(flash: FileStorage, tmp_path: Path) -> None:
    set_up(flash, ())
    assert list(tmp_path.iterdir()) == []
