"""The files that an ESP32 is built with, as far as they can be looked at without ESP-IDF."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "firmware/esp32"
BOARDS = sorted(path for path in FOLDER.glob("CHARGEBUS_*") if path.is_dir())
FLASH_BYTES = 4 * 1024 * 1024
TABLE_BYTES = 0x1000
APP_ALIGNMENT = 0x10000


def options(name: str) -> dict[str, str]:
    """Return the options of a file of the folder."""
    return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", (FOLDER / name).read_text(), re.MULTILINE))


def test_every_secure_option_is_explained() -> None:
    text = (FOLDER / "README.md").read_text()
    secure = options("sdkconfig.secure")
    assert len(secure) == 11
    for name in set(secure) - {"CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"}:
        assert f"`{name}`" in text, name
    assert "None of this has been tried on hardware" in text


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.name)
def test_it_is_secure_only_when_asked(board: Path) -> None:
    text = (board / "mpconfigboard.cmake").read_text()
    asked = text[text.index('if("$ENV{CHARGEBUS_SECURE}" STREQUAL "release")') : text.index("endif()")]
    assert text.count("sdkconfig.secure") == asked.count("sdkconfig.secure") == 1


def test_the_partitions_fit_and_do_not_overlap() -> None:
    secure = options("sdkconfig.secure")
    table = FOLDER / secure["CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"].strip('"')
    rows = [[cell.strip() for cell in line.split(",")] for line in table.read_text().splitlines() if line[0] != "#"]
    end = int(secure["CONFIG_PARTITION_TABLE_OFFSET"], 16) + TABLE_BYTES
    for _, kind, _, offset, size, _ in rows:
        assert int(offset, 16) >= end
        assert kind != "app" or int(offset, 16) % APP_ALIGNMENT == 0
        end = int(offset, 16) + int(size, 16)
    assert end == FLASH_BYTES
    sizes = {row[0]: row[4] for row in rows}
    assert sizes["ota_0"] == sizes["ota_1"]
    assert {row[0]: row[5] for row in rows}["nvs_keys"] == "encrypted"
