"""Files on a real file system, and the two clocks of a host."""

import os
from pathlib import Path

import pytest

from firmware.app.host_clock import HostClock
from firmware.app.storage import FileStorage


def test_files(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path))
    assert (storage.read("a"), storage.size("a")) == (None, 0)
    storage.write("a", b"one")
    storage.append("a", b"two")
    storage.append("b", b"new")
    assert (storage.read("a"), storage.size("a"), storage.read("b")) == (b"onetwo", 6, b"new")
    storage.write("a", b"")
    assert (storage.read("a"), storage.size("a")) == (b"", 0)
    storage.remove("a")
    storage.remove("a")
    assert sorted(os.listdir(tmp_path)) == ["b"]


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(str(tmp_path))
    storage.write("a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        storage.write("a", b"new")
    assert storage.read("a") == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_cannot_be_read_is_an_error_not_a_missing_file(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path))
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        storage.read("folder")


def test_the_clock_of_a_host() -> None:
    clock = HostClock()
    assert clock.utc_ms() is None
    clock.set_utc_ms(1_800_000_000_000)
    utc = clock.utc_ms()
    assert utc is not None and 0 <= utc - 1_800_000_000_000 < 10_000
    before = clock.ticks_ms()
    assert clock.ticks_ms() >= before
    assert (HostClock(trust_date=True).utc_ms() or 0) > 1_700_000_000_000
