"""Board profiles: no pin twice, none that cannot do what it is for, none that moves the contactor at boot."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from firmware.boards import chip, tables
from firmware.boards.__main__ import main
from firmware.boards.profile import Profile
from firmware.boards.profiles import OLIMEX_ESP32_POE, PROFILES, WT32_ETH01, UnknownBoard, profile_of
from firmware.boards.registry import EXPANDER, OPTIONS, REGISTRY

ROOT = Path(__file__).parents[3]
BOARDS = sorted(PROFILES)


def changed(profile: Profile, **pins: int) -> Profile:
    other = copy.deepcopy(profile)
    other.pins.update(pins)
    return other


@pytest.mark.parametrize("name", BOARDS)
def test_every_profile_fits_the_chip(name: str):
    assert chip.problems(profile_of(name)) == []


@pytest.mark.parametrize(
    ("role", "pin", "words"),
    [
        ("mirror", 32, "mirror is on GPIO32, which is contactor"),
        ("pilot_sense", 4, "not on ADC1"),
        ("residual_test", 39, "GPIO39 only an input"),
        ("contactor", 15, "must not move at boot"),
        ("contactor", 13, "must not move at boot"),
        ("pilot_pwm", 2, "must not move at boot"),
        ("mirror", 19, "Ethernet's"),
        ("mirror", 23, "Ethernet's"),
        ("mirror", 1, "the serial console's"),
        ("mirror", 6, "the flash's"),
        ("mirror", 20, "not there"),
        ("mirror", 40, "not there"),
        ("mirror", 34, "the user button's"),
        ("mirror", 17, "Ethernet's"),
        ("fan", 4, "fan is no role"),
    ],
)
def test_what_cannot_be_is_said(role: str, pin: int, words: str):
    found = chip.problems(changed(OLIMEX_ESP32_POE, **{role: pin}))
    assert any(words in problem for problem in found), found


def test_a_missing_role_and_psram_are_said():
    profile = copy.deepcopy(WT32_ETH01)
    del profile.pins["contactor"]
    assert chip.problems(profile) == ["contactor has no pin"]
    psram = copy.deepcopy(OLIMEX_ESP32_POE)
    psram.psram = True
    assert chip.problems(psram) == ["GPIO16 and 17 belong to the PSRAM"]


def test_ethernet_is_that_of_the_facts():
    def of(profile: Profile) -> "tuple[Any, ...]":
        ethernet = profile.ethernet
        return (ethernet.mdc, ethernet.mdio, ethernet.power, ethernet.address, ethernet.ref_clk, ethernet.ref_clk_out)

    assert of(OLIMEX_ESP32_POE) == (23, 18, 12, 0, 17, True)
    assert of(WT32_ETH01) == (23, 18, None, 1, 0, False)


def test_the_native_module_has_the_same_pins():
    text = (ROOT / "firmware/cp_pwm/ports/esp32/cp_pins.h").read_text(encoding="utf-8")
    sections = re.split(r"#(?:el)?if defined\(CP_BOARD_(\w+)\)", text)
    found = {}
    for board, body in zip(sections[1::2], sections[2::2], strict=True):
        body = body.split("#else")[0]
        found[board.lower()] = {role.lower(): int(pin) for role, pin in re.findall(r"CP_PIN_(\w+) (\d+)", body)}
    assert set(found) == set(PROFILES)
    for name, pins in found.items():
        profile = PROFILES[name]
        assert pins == {role: pin for role, pin in profile.pins.items() if role in pins}
        assert len(pins) == 7


@pytest.mark.parametrize("name", BOARDS)
def test_the_drivers_of_a_profile_exist(name: str):
    drivers = profile_of(name).drivers
    assert set(drivers) == set(REGISTRY)
    assert all(driver in REGISTRY[kind] for kind, driver in drivers.items())


def test_the_expander_s_pins_are_used_once():
    pins = [pin for group in EXPANDER.values() for pin in group]
    assert sorted(pins) == sorted(set(pins)) and max(pins) <= 7


def test_an_unknown_board_is_answered_with_the_list():
    with pytest.raises(UnknownBoard, match="there are: olimex_esp32_poe, wt32_eth01"):
        profile_of("arduino")


def test_the_wiring_page_is_up_to_date(capsys: pytest.CaptureFixture[str]):
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_wiring_page_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = tmp_path / "a" / "b" / "WIRING.md"
    page.parent.mkdir(parents=True)
    page.write_text(tables.WIRING.read_text(encoding="utf-8").replace("| contactor | 32 |", "| contactor | 33 |"))
    monkeypatch.setattr(tables, "WIRING", page)
    monkeypatch.setattr("firmware.boards.__main__.FOLDER", page.parent)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    page.write_text("no marks")
    with pytest.raises(ValueError, match="lacks the marks"):
        main(["--check"])


def test_the_wiring_page_names_every_role_driver_and_part():
    page = tables.WIRING.read_text(encoding="utf-8")
    assert set(tables.MEANING) == set(chip.ROLES)
    for word in ("not been on hardware yet", "wiring.svg", "pull-down", *chip.ROLES):
        assert word in page
    for name in ("sdm630", "pzem004t", "pulse", "dc_charger", "motor", "ws2812"):
        assert f"`{name}`" in page
    for option in ("meter_address", "meter_baud", "meter_inverted", "nominal_v"):
        assert option in OPTIONS and f"`{option}`" in page
    picture = tables.WIRING.with_name("wiring.svg").read_text(encoding="utf-8")
    for role in chip.ROLES:
        assert role in picture
