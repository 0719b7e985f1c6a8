"""Non-volatile storage and what is kept in it."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.app.journal import Journal
from firmware.app.settings import Settings
from firmware.app.storage import FileStorage
from firmware.boards.file_nvs import FileNvs
from firmware.boards.nvs import KEPT_IN_NVS, MAX_BYTES, DamagedEntry, DividedStorage, Nvs, NvsCounter
from tests.firmware.app.fakes import MemoryStorage, PowerLost


@pytest.fixture
def flash() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def nvs(flash: MemoryStorage) -> Nvs:
    return Nvs(FileNvs(flash))


def test_entries_come_and_go(nvs: Nvs):
    assert nvs.read("identity") is None
    assert nvs.read_object("identity") is None
    nvs.write_object("identity", {"site": "garage"})
    assert nvs.read_object("identity") == {"site": "garage"}
    nvs.remove("identity")
    nvs.remove("identity")
    assert nvs.read("identity") is None


def test_what_an_esp32_raises_for_a_missing_entry_is_no_error():
    class Raw(FileNvs):
        def get_blob(self, key: str, buffer: bytearray) -> int:
            raise OSError(self.code, "ESP_ERR")

        def erase_key(self, key: str) -> None:
            raise OSError(self.code, "ESP_ERR")

        code = -0x1102

    raw = Raw(MemoryStorage())
    assert Nvs(raw).read("identity") is None
    Nvs(raw).remove("identity")
    raw.code = -0x1103
    for use in (Nvs(raw).read, Nvs(raw).remove):
        with pytest.raises(OSError):
            use("identity")


@pytest.mark.parametrize("data", [b"\xff", b"{", b"[1]", b"null", b"3"])
def test_a_damaged_object_is_said_to_be_so(nvs: Nvs, data: bytes):
    nvs.write("network", data)
    with pytest.raises(DamagedEntry, match="network in NVS"):
        nvs.read_object("network")


def test_limits(nvs: Nvs):
    nvs.write("a", bytes(MAX_BYTES))
    assert nvs.read("a") == bytes(MAX_BYTES)
    with pytest.raises(OSError, match="at most 4000 bytes"):
        nvs.write("a", bytes(MAX_BYTES + 1))
    with pytest.raises(OSError, match="KEY_TOO_LONG"):
        nvs.write("a" * 16, b"")
    raw = FileNvs(MemoryStorage())
    raw.set_blob("a", b"12")
    with pytest.raises(OSError, match="INVALID_LENGTH"):
        raw.get_blob("a", bytearray(1))


@given(st.lists(st.integers(0, 2**63 - 1), max_size=10))
def test_a_counter_survives(values: "list[int]"):
    flash = MemoryStorage()
    counter = NvsCounter(Nvs(FileNvs(flash)), "pulses")
    assert counter.load() == 0
    for value in values:
        counter.keep(value)
        assert NvsCounter(Nvs(FileNvs(flash)), "pulses").load() == value


def test_a_counter_that_loses_power_is_the_old_or_the_new_one(flash: MemoryStorage):
    counter = NvsCounter(Nvs(FileNvs(flash)), "pulses")
    counter.keep(1000)
    for cut in range(9):
        flash.cut(cut)
        with contextlib.suppress(PowerLost):
            counter.keep(2000)
        flash.left = None
        assert counter.load() in (1000, 2000)
    assert counter.load() == 2000


def test_a_damaged_counter_is_no_zero(nvs: Nvs):
    nvs.write("pulses", b"123")
    with pytest.raises(OSError, match="pulses is damaged"):
        NvsCounter(nvs, "pulses").load()


def test_settings_survive_a_formatted_file_system(tmp_path: Path):
    nvs = Nvs(FileNvs(MemoryStorage()))
    storage = DividedStorage(FileStorage(str(tmp_path)), nvs)
    settings = Settings(storage)
    settings.change({"max_current_a": 16.0})
    storage.append("log-0", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log-0"]
    (tmp_path / "log-0").unlink()
    again = Settings(DividedStorage(MemoryStorage(), nvs))
    again.load()
    assert again.max_current_a == 16.0 and not again.damaged


def test_the_divided_storage_is_a_storage(nvs: Nvs):
    storage = DividedStorage(MemoryStorage(), nvs)
    for name in ("register", "service"):
        assert (storage.read(name), storage.size(name)) == (None, 0)
        storage.write(name, b"abc")
        assert (storage.read(name), storage.size(name)) == (b"abc", 3)
        storage.remove(name)
        assert storage.read(name) is None
    storage.append("journal", b"x")
    with pytest.raises(ValueError, match="cannot grow"):
        storage.append(KEPT_IN_NVS[0], b"x")
    Journal(storage).recover()
