"""Drivers by name: what a board profile and a charger's identity may choose from."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .parts import Parts

    Build = Callable[["Choice"], Any]


class BadChoice(ValueError):
    """A driver, or an option of one, that does not exist; the text lists those that do."""


OPTIONS = {
    "meter_address": (1, 248, 1),
    "meter_baud": (1200, 115_200, 9600),
    "meter_inverted": (0, 1, 0),
    "pulses_per_kwh": (1, 100_000, 1000),
    "nominal_v": (100, 277, 230),
    "soc_frame": (0, 0x1FFFFFFF, -1),
    "soc_byte": (0, 7, 0),
    "soc_scale": (0.001, 100, 1),
    "thermometer_address": (0x48, 0x4F, 0x48),
    "reader_address": (0x08, 0x77, 0x24),
    "pixels": (1, 64, 1),
}
"""Smallest, largest and usual value. A PZEM's general address is 248; the frame of the state of charge has none.
``meter_inverted`` is 1 for an SDM630 or SDM120 that is connected the wrong way round."""


class Choice:
    """What a driver is built with: the board's parts, the plate of the charger, options, and the time."""

    def __init__(self, parts: "Parts", phases: int, options: "dict[str, Any]", now_ms: int) -> None:
        self.parts = parts
        self.phases = phases
        self.now_ms = now_ms
        self._options = options

    def option(self, name: str) -> "Any":
        """Return an option, or its usual value."""
        return self._options.get(name, OPTIONS[name][2])


def check(drivers: "dict[str, Any]", options: "dict[str, Any]") -> None:
    """Raise :class:`BadChoice` for a kind, a driver or an option that does not exist, or a value out of range."""
    for kind, name in sorted(drivers.items()):
        _builder(kind, name)
    for name, value in sorted(options.items()):
        if name not in OPTIONS:
            raise BadChoice("option '%s' is not known; there are: %s" % (name, ", ".join(sorted(OPTIONS))))
        low, high = OPTIONS[name][:2]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise BadChoice("option %s is %s to %s, not %r" % (name, low, high, value))


def build(kind: str, name: str, choice: Choice) -> "Any":
    """Return the driver of a kind, None for ``none``. Raises :class:`BadChoice`, and OSError of its hardware."""
    return _builder(kind, name)(choice)


def _builder(kind: str, name: "Any") -> "Build":
    if kind not in REGISTRY:
        raise BadChoice("there are no drivers of kind '%s', only: %s" % (kind, ", ".join(sorted(REGISTRY))))
    names = REGISTRY[kind]
    if not isinstance(name, str) or name not in names:
        raise BadChoice("%s %r is not known; there are: %s" % (kind, name, ", ".join(sorted(names))))
    return names[name]


# Drivers are imported where they are chosen, so that the others cost a charger no memory.


def _none(choice: Choice) -> None:
    return None


def _sdm630(choice: Choice) -> "Any":
    from .drivers.modbus import ModbusMaster
    from .drivers.sdm import sdm630

    baud = choice.option("meter_baud")
    master = ModbusMaster(choice.parts.serial(baud), baud)
    inverted = bool(choice.option("meter_inverted"))
    return sdm630(master, choice.option("meter_address"), choice.phases, inverted, choice.now_ms)


def _sdm120(choice: Choice) -> "Any":
    from .drivers.modbus import ModbusMaster
    from .drivers.sdm import sdm120

    _one_phase("sdm120", choice)
    baud = choice.option("meter_baud")
    master = ModbusMaster(choice.parts.serial(baud), baud)
    return sdm120(master, choice.option("meter_address"), bool(choice.option("meter_inverted")), choice.now_ms)


def _pzem004t(choice: Choice) -> "Any":
    from .drivers.modbus import ModbusMaster
    from .drivers.pzem import pzem004t

    _one_phase("pzem004t", choice)
    return pzem004t(ModbusMaster(choice.parts.serial(9600), 9600), choice.option("meter_address"), choice.now_ms)


def _pulse(choice: Choice) -> "Any":
    from .drivers.pulse import PulseMeter

    parts = choice.parts
    per_kwh, nominal_v = choice.option("pulses_per_kwh"), choice.option("nominal_v")
    return PulseMeter(parts.pulses(), parts.counter("pulses"), per_kwh, choice.phases, nominal_v, choice.now_ms)


def _dc_charger(choice: Choice) -> "Any":
    from .drivers.dc_charger import BITRATE, DcCharger, StateOfCharge

    _one_phase("dc_charger", choice)
    frame = choice.option("soc_frame")
    soc = None if frame < 0 else StateOfCharge(frame, choice.option("soc_byte"), choice.option("soc_scale"))
    return DcCharger(choice.parts.can(BITRATE), choice.parts.counter("dc_wh"), soc, choice.now_ms)


def _one_phase(name: str, choice: Choice) -> None:
    if choice.phases != 1:
        raise BadChoice("meter '%s' measures one phase, this charger has %d" % (name, choice.phases))


def _pn532(choice: Choice) -> "Any":
    from .drivers.pn532 import Pn532

    return Pn532(choice.parts.i2c(), choice.now_ms, choice.option("reader_address"))


def _lm75(choice: Choice) -> "Any":
    from .drivers.lm75 import Lm75

    return Lm75(choice.parts.i2c(), choice.now_ms, choice.option("thermometer_address"))


def _ds18b20(choice: Choice) -> "Any":
    from .drivers.ds18b20 import Ds18b20

    return Ds18b20(choice.parts.one_wire(), choice.now_ms)


def _ws2812(choice: Choice) -> "Any":
    from .drivers.light import Light, PixelStrip

    return Light(PixelStrip(choice.parts.pixels(), choice.option("pixels")), choice.now_ms)


def _three_lamps(choice: Choice) -> "Any":
    from .drivers.light import Light, ThreeLamps

    red, green, blue = [choice.parts.expander_pin(pin) for pin in EXPANDER["light"]]
    return Light(ThreeLamps(red, green, blue), choice.now_ms)


def _buzzer(choice: Choice) -> "Any":
    from .drivers.buzzer import Buzzer

    return Buzzer(choice.parts.expander_pin(EXPANDER["buzzer"][0]))


def _motor(choice: Choice) -> "Any":
    from .drivers.lock import Lock

    lock, unlock, locked = [choice.parts.expander_pin(pin) for pin in EXPANDER["lock"]]
    return Lock(lock, unlock, locked, choice.now_ms)


EXPANDER = {"lock": (0, 1, 2), "buzzer": (3,), "light": (4, 5, 6)}
"""Pins of the PCF8574: lock, unlock and the contact that is closed when locked; the buzzer; red, green and blue."""

REGISTRY: "dict[str, dict[str, Build]]" = {
    "meter": {
        "sdm630": _sdm630,
        "sdm120": _sdm120,
        "pzem004t": _pzem004t,
        "pulse": _pulse,
        "dc_charger": _dc_charger,
    },
    "reader": {"pn532": _pn532, "none": _none},
    "thermometer": {"lm75": _lm75, "ds18b20": _ds18b20, "none": _none},
    "light": {"ws2812": _ws2812, "three_lamps": _three_lamps, "none": _none},
    "buzzer": {"expander": _buzzer, "none": _none},
    "lock": {"motor": _motor, "none": _none},
}
"""Kind, name, and what builds it."""
