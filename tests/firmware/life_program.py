"""One script, run under MicroPython and under CPython, that tells line by line what it lives through."""

import asyncio
import os
import shutil
from pathlib import Path

from tests.missing import missing

ROOT = Path(__file__).parents[2]


def micropython() -> str:
    """Return ``$MICROPYTHON``, ``micropython`` on the path, or what ``firmware/build_micropython_unix.sh`` makes."""
    built = ROOT / "firmware/build/micropython"
    found = os.environ.get("MICROPYTHON") or shutil.which("micropython") or (str(built) if built.exists() else None)
    if found is None:
        missing("micropython (firmware/build_micropython_unix.sh makes one)")
    return found


async def run(program: str, script: Path, *arguments: str) -> str:
    """Run a script with the code of this checkout, and return what it prints; fail if it fails."""
    environment = os.environ | {"MICROPYPATH": f"{ROOT}:.frozen", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    null, pipe, both = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        program, str(script), *arguments, env=environment, stdin=null, stdout=pipe, stderr=both
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()[-2000:]
    return output.decode()
