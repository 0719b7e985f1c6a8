"""A Cortex-M3 without an operating system, with the charger's app frozen and the native module: how a script is run."""

import shutil
import subprocess
from pathlib import Path

from tests.missing import missing

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent
BUILD = ROOT / "firmware/build_micropython_qemu.sh"
BUILT = ROOT / "firmware/build/micropython-cortex-m3.elf"
QEMU = "qemu-system-arm"

NOT_THERE = 3
"""Exit code of the build when something that it needs is missing."""

CLOCK_HZ = 25_000_000
"""Of the processor, and with it of SysTick."""
NS_PER_INSTRUCTION_2 = 6
"""With ``counts_instructions`` each takes 2**6 ns: more than SysTick's 40 ns, so that none is lost."""

WITHIN_S = 40
"""For what takes 5 s."""

_RAW, _END = b"\x01", b"\x04"


def image() -> Path:
    """Return the image, made from what is here now. Skips where it was never built."""
    if not BUILT.exists():
        missing("MicroPython for a Cortex-M3 (sh firmware/build_micropython_qemu.sh makes one)")
    if shutil.which(QEMU) is None:
        missing(QEMU)
    done = subprocess.run(["sh", str(BUILD)], capture_output=True, text=True, check=False)
    if done.returncode == NOT_THERE:
        missing(f"MicroPython for a Cortex-M3 ({done.stderr.strip()})")
    assert done.returncode == 0, done.stderr
    return BUILT


def run(
    image: Path, script: str, *arguments: object, modules: tuple[Path, ...] = (), counts_instructions: bool = False
) -> str:
    """Run a script of this folder from power-on and return what it prints; fail if it fails.

    ``modules`` are copied onto its disk, where it can import them.
    """
    parts = [
        (FOLDER / "disk.py").read_text(),
        "mount()",
        "import sys",
        f"sys.argv[:] = {[script, *map(str, arguments)]}",
    ]
    parts += [f"put({path.name!r}, {path.read_text()!r})" for path in modules]
    return _typed(image, "\n".join([*parts, (FOLDER / script).read_text()]), counts_instructions)


def _typed(image: Path, source: str, counts_instructions: bool) -> str:
    command = [QEMU, "-machine", "mps2-an385", "-display", "none", "-monitor", "none", "-semihosting"]
    command += ["-serial", "stdio", "-kernel", str(image)]
    if counts_instructions:
        command += ["-icount", f"shift={NS_PER_INSTRUCTION_2}"]
    # The prompt reads what is typed, without an echo; a reset ends the machine.
    typed = _RAW + source.encode() + _END + b"import machine\nmachine.reset()" + _END
    done = subprocess.run(command, input=typed, capture_output=True, check=False, timeout=WITHIN_S)
    _, _, said = done.stdout.partition(b"raw REPL; CTRL-B to exit\r\n>OK")
    printed, failure = said.split(_END)[:2]
    assert not failure, (printed[-2000:] + failure).decode()
    return printed.decode().replace("\r\n", "\n")


def instructions(periods: int) -> int:
    """Return how many instructions took so many periods of the clock."""
    return periods * (1_000_000_000 // CLOCK_HZ) >> NS_PER_INSTRUCTION_2
