"""What survives a kill -9: the newest state that was written whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.sim.physical_state import SLOT_BYTES, PhysicalState


def test_keeps_the_newest(tmp_path: Path) -> None:
    with PhysicalState(tmp_path / "c1") as state:
        assert state.load() is None
        for number in range(5):
            state.save({"wh": number})
    with PhysicalState(tmp_path / "c1") as state:
        assert state.load() == {"wh": 4}
        state.save({"wh": 5})
    with PhysicalState(tmp_path / "c1") as state:
        assert state.load() == {"wh": 5}


@pytest.mark.parametrize("offset", [0, 5, 10, 20])
def test_a_torn_write_leaves_the_one_before(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "c1"
    with PhysicalState(path) as state:
        state.save({"wh": 1})
        state.save({"wh": 2})
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)
    with PhysicalState(path) as state:
        assert state.load() == {"wh": 1}
        state.save({"wh": 3})
        assert state.load() is not None
    with PhysicalState(path) as state:
        assert state.load() == {"wh": 3}


def test_too_much_is_refused(tmp_path: Path) -> None:
    with PhysicalState(tmp_path / "c1") as state, pytest.raises(ValueError, match="physical state of"):
        state.save({"text": "x" * SLOT_BYTES})


def test_survives_kill(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from firmware.sim.physical_state import PhysicalState\n"
        "state = PhysicalState(Path(sys.argv[1])); number = 0\n"
        "while True:\n"
        "    number += 1; state.save({'wh': number})\n"
        "    if number % 1000 == 0: print(number, flush=True)\n"
    )
    path = tmp_path / "c1"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [int(process.stdout.readline()) for _ in range(5)]
        os.kill(process.pid, signal.SIGKILL)
        seen += [int(line) for line in process.stdout if line.endswith("\n")]
    with PhysicalState(path) as state:
        kept = state.load()
    assert kept is not None and kept["wh"] >= seen[-1]
