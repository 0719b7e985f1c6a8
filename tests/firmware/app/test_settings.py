"""Settings on flash that refuses, tears and rots: what was answered is what holds after the next boot."""

import pytest

from firmware.app.settings import FILES, Settings
from tests.world.storage import REFUSE, PowerLost, WorldStorage


class Flash(WorldStorage):
    """Flash that does ``what`` at its ``at``-th write from now on."""

    def __init__(self) -> None:
        super().__init__(fate=self._fate_of)
        self.plan: dict[int, int] = {}

    def do(self, what: int, at: int) -> None:
        self.plan = {self.writes + at: what}

    def _fate_of(self, _name: str, _size: int) -> int | None:
        return self.plan.get(self.writes)


def loaded(flash: Flash) -> Settings:
    settings = Settings(flash)
    settings.load()
    return settings


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("changed_before", [False, True])
def test_a_refused_change_does_not_come_back_with_the_next_boot(changed_before: bool, at: int) -> None:
    flash = Flash()
    if changed_before:
        loaded(flash).change({"fallback_current_a": 8.0})
    settings = loaded(flash)
    flash.do(REFUSE, at)
    try:
        settings.change({"fallback_current_a": 16.0})
        answered = 16.0
    except OSError:
        answered = 8.0 if changed_before else 6.0
    assert settings.fallback_current_a == answered
    for _ in range(2):
        assert loaded(flash).fallback_current_a == answered
    assert changed_before or at == 2 or not flash.files, "nothing is left of what was refused"


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("keeps", [0, 1])
def test_power_lost_in_a_change_leaves_the_old_or_the_new(at: int, keeps: int) -> None:
    flash = Flash()
    loaded(flash).change({"fallback_current_a": 8.0})
    flash.do(keeps, at)
    with pytest.raises(PowerLost):
        loaded(flash).change({"fallback_current_a": 16.0})
    first = loaded(flash).fallback_current_a
    assert first == (8.0 if (at, keeps) == (1, 0) else 16.0)
    flash.files[FILES[0]] = bytearray(b"rotten")
    assert loaded(flash).fallback_current_a == first, "the boot has brought the other copy up to date"
    assert not loaded(flash).damaged
