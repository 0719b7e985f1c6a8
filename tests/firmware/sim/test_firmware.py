"""A virtual charger replaces its firmware and sends its log over real HTTP, on a real broker, over a restart."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from agents.cli.signing import new_key, public_line, sign
from bus_schema.topics import CHARGER_COMMAND
from firmware.sim.firmware import VirtualFirmware, read_key
from firmware.sim.slots import VirtualSlots


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
