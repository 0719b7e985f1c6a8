"""A virtual charger's slots, and an update and a log in virtual time. Over real HTTP: tests/cli/test_maintenance.py."""

from pathlib import Path

import pytest

from agents.cli.device.signing import new_key, public_line, sign
from firmware.sim.files import VirtualFiles
from firmware.sim.firmware import VirtualFirmware, read_key
from firmware.sim.slots import VirtualSlots
from tests.firmware.app.images import key, modulus
from tests.firmware.sim.rig import ChargerRig


class UpdatableRig(ChargerRig):
    """A virtual charger that can be updated."""

    def __init__(self) -> None:
        self.files = VirtualFiles()
        slots = VirtualSlots("0.1.0")
        super().__init__(firmware=VirtualFirmware(slots, self.files.fetch, self.files.put, (modulus(),)))


def test_an_update_and_a_log_in_virtual_time() -> None:
    rig = UpdatableRig()
    rig.files.offered["http://server/image"] = sign(bytes(50_000), "virtual", "0.2.0", key())
    rig.run(1_000)
    assert rig.last("meta")["firmware"] == "0.1.0"
    rig.command("update_firmware", url="http://server/image")
    rig.run(60_000)
    assert rig.charger.restart_wanted == "hard"
    rig.boot()
    rig.run(1_000)
    assert rig.last("meta")["firmware"] == "0.2.0"
    assert rig.last("state")["firmware_update"]["status"] == "Installed"
    assert rig.last("command/reply")["stage"] == "done"
    rig.command("get_log", url="http://server/c1.log")
    rig.run(1_000)
    assert b"FirmwareUpdated" in rig.files.taken["http://server/c1.log"]
    rig.command("update_firmware", url="http://server/nothing")
    rig.run(1_000)
    assert "404" in rig.last("command/reply")["reason"]
    rig.boot()
    rig.run(1_000)
    assert rig.last("meta")["firmware"] == "0.2.0"


def test_the_slots_are_kept_and_a_trial_ends_with_a_restart(tmp_path: Path) -> None:
    slots = VirtualSlots("0.1.0", tmp_path)
    assert slots.boot(None) == "0.1.0"
    slots.write(1, bytearray(b"b" * 4096))
    slots.write(0, bytearray(b"a" * 4096))
    slots.boot_spare()
    slots = VirtualSlots("0.1.0", tmp_path)
    assert slots.boot("0.2.0") == "0.2.0"
    slots = VirtualSlots("0.1.0", tmp_path)
    assert slots.boot(None) == "0.1.0", "not confirmed"
    block = bytearray(4096)
    slots.read(1, block)
    assert block == b"b" * 4096
    slots.boot_spare()
    assert slots.boot("0.3.0") == "0.3.0"
    slots.confirm()
    slots = VirtualSlots("0.1.0", tmp_path)
    assert slots.boot(None) == "0.3.0"


def test_a_key_file_is_read_as_the_command_line_writes_it() -> None:
    key = new_key()
    assert read_key(public_line(key)) == key.public_key().public_numbers().n
    for text in ("", "rsa-3072", "rsa-2048 ab", "rsa-3072 xy"):
        with pytest.raises(ValueError):
            read_key(text)
