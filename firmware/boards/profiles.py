"""The boards that are known. ``tests/firmware/boards/test_profiles.py`` checks every one against the chip.

Ethernet: facts of MicroPython's and the makers' pages. Pins: Olimex ESP32-POE user manual, Wireless-Tag WT32-ETH01.
"""

from .profile import EthernetPins, Profile

DRIVERS = {
    "meter": "sdm630",
    "reader": "pn532",
    "thermometer": "lm75",
    "light": "ws2812",
    "buzzer": "none",
    "lock": "none",
}
"""What both have unless the charger's identity says otherwise."""

OLIMEX_ESP32_POE = Profile(
    name="olimex_esp32_poe",
    title="Olimex ESP32-POE",
    ethernet=EthernetPins(phy="PHY_LAN8720", address=0, mdc=23, mdio=18, power=12, ref_clk=17, out=True),
    pins={
        "contactor": 32,
        "pilot_pwm": 33,
        "pilot_sense": 35,
        "proximity_sense": 39,
        "residual_trip": 14,
        "residual_test": 5,
        "mirror": 15,
        "meter_tx": 4,
        "meter_rx": 36,
        "i2c_sda": 13,
        "i2c_scl": 16,
        "auxiliary": 2,
    },
    notes={
        "pilot_sense": "open the solder jumper of the battery measurement first",
        "proximity_sense": "open the solder jumper of the supply measurement first",
        "meter_tx": "UEXT pin TXD",
        "meter_rx": "UEXT pin RXD",
        "i2c_sda": "UEXT pin SDA",
        "i2c_scl": "UEXT pin SCL",
        "mirror": "strapping pin: low at reset only silences the boot messages",
        "residual_test": "strapping pin: keep the pull-down; a test while the contactor is open harms nothing",
        "auxiliary": "strapping pin: nothing may pull it up; leave the SD slot empty",
        "residual_trip": "no SD card: the slot shares this pin",
    },
    reserved={0: "the boot button's", 34: "the user button's"},
    drivers=DRIVERS,
)
"""Variant with a WROOM module; the WROVER one has its clock and PSRAM elsewhere."""

WT32_ETH01 = Profile(
    name="wt32_eth01",
    title="Wireless-Tag WT32-ETH01",
    ethernet=EthernetPins(phy="PHY_LAN8720", address=1, mdc=23, mdio=18, power=None, ref_clk=0, out=False),
    pins={
        "contactor": 32,
        "pilot_pwm": 33,
        "pilot_sense": 35,
        "proximity_sense": 36,
        "residual_trip": 39,
        "residual_test": 12,
        "mirror": 14,
        "meter_tx": 17,
        "meter_rx": 5,
        "i2c_sda": 4,
        "i2c_scl": 15,
        "auxiliary": 2,
    },
    notes={
        "contactor": "labelled CFG",
        "residual_trip": "has no pull-up of its own: the outer one is a must",
        "pilot_pwm": "labelled 485_EN",
        "meter_tx": "labelled TXD",
        "meter_rx": "labelled RXD; strapping pin, high while the line is idle",
        "residual_test": "strapping pin: high at reset starts the flash with 1.8 V; the pull-down is a must",
        "i2c_scl": "strapping pin: high by its pull-up",
        "auxiliary": "strapping pin: nothing may pull it up",
    },
    reserved={16: "the oscillator's"},
    drivers=DRIVERS,
)

PROFILES = {profile.name: profile for profile in (OLIMEX_ESP32_POE, WT32_ETH01)}


class UnknownBoard(ValueError):
    """A board that is not in the list."""


def profile_of(name: str) -> Profile:
    """Return the profile of a board. Raises :class:`UnknownBoard` with the names that there are."""
    if name not in PROFILES:
        raise UnknownBoard("board '%s' is not known; there are: %s" % (name, ", ".join(sorted(PROFILES))))
    return PROFILES[name]
