# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""What is frozen into the image for qemu's Cortex-M3: the charger's code."""

include("../manifest.py", unix=False)
