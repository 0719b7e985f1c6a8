"""The wiring page's pin tables, made of the profiles. Runs on a host only."""

from pathlib import Path

from . import chip
from .profile import Profile
from .profiles import PROFILES

FOLDER = Path(__file__).parent
WIRING = FOLDER / "WIRING.md"
BEGIN, END = "<!-- pins: begin (python -m firmware.boards) -->", "<!-- pins: end -->"

MEANING = {
    "contactor": "output to the contactor's driver, high closes; pull-down 10 kΩ",
    "pilot_pwm": "output to the pilot's output stage, high is +12 V",
    "pilot_sense": "ADC1, control pilot through its divider",
    "proximity_sense": "ADC1, proximity contact through its divider; nothing with a fixed cable",
    "residual_trip": "input and hardware brake, low while all is well, high trips; pull-up 10 kΩ",
    "residual_test": "output, high makes the device trip for a test; pull-down 10 kΩ",
    "mirror": "input, high while the mirror contact tells that the contactor is open; pull-down 10 kΩ",
    "meter_tx": "UART to the meter's transceiver, or CAN transmit",
    "meter_rx": "UART from the meter's transceiver, S0 input, or CAN receive",
    "i2c_sda": "I2C data, pull-up 2.2 to 10 kΩ",
    "i2c_scl": "I2C clock, pull-up 2.2 to 10 kΩ",
    "auxiliary": "WS2812 pixels, or 1-Wire thermometer with pull-up 4.7 kΩ",
}
"""What each role is, for who wires it."""


def pin_table(profile: Profile) -> str:
    """Return the table of one board."""
    lines = [
        "### %s (`%s`)" % (profile.title, profile.name),
        "",
        "| role | GPIO | what hangs on it | to know |",
        "|---|---|---|---|",
    ]
    for role in MEANING:
        lines.append("| %s | %d | %s | %s |" % (role, profile.pins[role], MEANING[role], profile.notes.get(role, "")))
    ethernet = profile.ethernet
    power = "no power pin" if ethernet.power is None else "power GPIO%d" % ethernet.power
    clock = "clock %s on GPIO%d" % ("out" if ethernet.ref_clk_out else "in", ethernet.ref_clk)
    data = ", ".join(["GPIO%d" % pin for pin in chip.RMII])
    lines += [
        "",
        "Ethernet: %s at address %d, MDC GPIO%d, MDIO GPIO%d, %s, %s; data on %s."
        % (ethernet.phy, ethernet.address, ethernet.mdc, ethernet.mdio, power, clock, data),
        "Not to be used: %s."
        % "; ".join(["GPIO%d is %s" % (pin, owner) for pin, owner in sorted(profile.reserved.items())]),
        "Drivers unless the identity says otherwise: %s."
        % ", ".join(["%s `%s`" % item for item in sorted(profile.drivers.items())]),
    ]
    return "\n".join(lines)


def wiring(page: str) -> str:
    """Return the wiring page with its tables up to date. Raises ValueError if it has lost the marks between them."""
    before, mark, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError("WIRING.md lacks the marks %s and %s" % (BEGIN, END))
    tables = "\n\n".join([pin_table(profile) for _, profile in sorted(PROFILES.items())])
    return "%s%s\n\n%s\n\n%s%s" % (before, BEGIN, tables, END, after)


def generated() -> "dict[Path, str]":
    """Return every generated file and what belongs into it."""
    return {WIRING: wiring(WIRING.read_text(encoding="utf-8"))}
