# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""What is frozen into MicroPython, so that the charger's code runs from flash and its heap is for data alone.

Read by MicroPython's build (its docs: reference/manifest), not imported. ``unix=False`` leaves out what only the unix
port has a use for.
"""

import os

options.defaults(unix=True)

# For readers, type checkers and CPython.
unwanted = {"app/seam.py", "boards/__main__.py", "boards/tables.py"}
if not options.unix:
    unwanted |= {"boards/unix_main.py", "boards/unix_station.py"}

files = ["__init__.py"]
for top in ("app", "boards"):
    for folder, _, names in sorted(os.walk(top)):
        files += [f"{folder}/{name}" for name in sorted(names) if name.endswith(".py")]

include("$(MPY_DIR)/extmod/asyncio")
# opt=1 drops assertions and keeps line numbers, which a traceback in the charger's log needs.
package("firmware", files=[file for file in files if file not in unwanted], base_path="..", opt=1)
