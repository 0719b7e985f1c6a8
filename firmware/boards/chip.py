"""What the pins of an ESP32 can do, and what is wrong with a board profile (ESP32 datasheet, 2.2 to 2.4)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .profile import Profile

ABSENT = (20, 24, 28, 29, 30, 31, 37, 38)
FLASH = (6, 7, 8, 9, 10, 11)
CONSOLE = (1, 3)
STRAPPING = (0, 2, 5, 12, 15)
INPUT_ONLY = (34, 35, 36, 39)
ADC1 = (32, 33, 34, 35, 36, 39)
RMII = (19, 21, 22, 25, 26, 27)
"""Ethernet's data pins, the same on every ESP32."""
PSRAM = (16, 17)
"""Taken in modules with PSRAM, and by Ethernet's clock output."""
PULLED_UP = (0, 5, 13, 14, 15)
"""Pulled up inside the chip from reset until the firmware runs."""

OUTPUTS = ("pilot_pwm", "contactor", "residual_test", "meter_tx", "i2c_sda", "i2c_scl", "auxiliary")
INPUTS = ("pilot_sense", "proximity_sense", "mirror", "residual_trip", "meter_rx")
ROLES = OUTPUTS + INPUTS
ANALOGUE = ("pilot_sense", "proximity_sense")
STILL_AT_BOOT = ("contactor", "pilot_pwm")
"""What must not move before the firmware runs: neither a strapping pin nor one that is pulled up by then."""


def problems(profile: "Profile") -> "list[str]":
    """Return what is wrong with a profile, in words; an empty list if nothing is."""
    found = []
    used: dict[int, str] = {}
    for role in ROLES:
        if role not in profile.pins:
            found.append("%s has no pin" % role)
    for role, pin in sorted(profile.pins.items()):
        if role not in ROLES:
            found.append("%s is no role; roles are %s" % (role, ", ".join(ROLES)))
            continue
        taken = used.get(pin) or taken_by(profile, pin)
        if taken is not None:
            found.append("%s is on GPIO%d, which is %s" % (role, pin, taken))
        used[pin] = role
        if role in OUTPUTS and pin in INPUT_ONLY:
            found.append("%s is an output, GPIO%d only an input" % (role, pin))
        if role in ANALOGUE and pin not in ADC1:
            found.append("%s is measured, GPIO%d is not on ADC1" % (role, pin))
        if role in STILL_AT_BOOT and (pin in STRAPPING or pin in PULLED_UP):
            found.append("%s must not move at boot, GPIO%d may" % (role, pin))
    if profile.psram and (profile.ethernet.ref_clk in PSRAM or any([pin in PSRAM for pin in profile.pins.values()])):
        found.append("GPIO16 and 17 belong to the PSRAM")
    return found


def taken_by(profile: "Profile", pin: int) -> "str | None":
    """Return what has a pin that is not free for a role, None if it is free."""
    ethernet = profile.ethernet
    if pin in ABSENT or not 0 <= pin <= 39:
        return "not there"
    if pin in FLASH:
        return "the flash's"
    if pin in CONSOLE:
        return "the serial console's"
    if pin in RMII or pin in (ethernet.mdc, ethernet.mdio, ethernet.ref_clk, ethernet.power):
        return "Ethernet's"
    return profile.reserved.get(pin)
