"""Files on a real file system, and the two clocks of a host."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.app import storage as storage_module
from firmware.app.host_clock import HostClock
from firmware.app.storage import FileStorage
from tests.firmware.app.posix_disk import PosixDisk, PowerLost


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


def power_loss_at_every_step(monkeypatch: pytest.MonkeyPatch, act: Callable[[FileStorage], None]) -> list[set[bytes]]:
    """Do it with the power going at every step of it; return what ``a`` may be found to hold, and at last when done."""
    found = []
    for step in itertools.count():
        disk = PosixDisk()
        monkeypatch.setattr(storage_module, "os", disk.os)
        monkeypatch.setattr(storage_module, "open", disk.open, raising=False)
        storage = FileStorage("flash")
        storage.write("a", b"old content")
        disk.lose_at = disk.steps + step
        try:
            act(storage)
            done = True
        except PowerLost:
            done = False
        found.append({files.get("flash/a", b"nothing") for files in disk.after_power_loss()})
        if done:
            return found
    raise AssertionError


def test_a_replaced_file_is_the_old_or_the_new_one_whenever_the_power_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = power_loss_at_every_step(monkeypatch, lambda storage: storage.write("a", b"new, and longer"))
    assert len(found) > 4
    assert all(contents <= {b"old content", b"new, and longer"} for contents in found), found
    assert found[0] == {b"old content"} and found[-1] == {b"new, and longer"}, "what is said to be written is"


def test_what_was_appended_lasts_and_what_was_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    found = power_loss_at_every_step(monkeypatch, lambda storage: storage.append("a", b", and more of it"))
    whole = b"old content, and more of it"
    assert all(whole.startswith(content) for contents in found for content in contents)
    assert found[-1] == {whole}


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
