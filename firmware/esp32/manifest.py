# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""What is frozen into the firmware of an ESP32: what MicroPython itself needs there, and the charger's code."""

freeze("$(PORT_DIR)/modules")
include("../manifest.py", unix=False)
