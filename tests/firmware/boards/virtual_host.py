"""A whole device with virtual parts, for :mod:`firmware.boards.main`; in what MicroPython runs too."""

from firmware.boards.file_nvs import FileNvs
from firmware.boards.nvs import Nvs
from firmware.boards.parts import Parts
from tests.firmware.boards.virtual_devices import (
    Pulses,
    VirtualCan,
    VirtualDs18b20,
    VirtualI2c,
    VirtualLine,
    VirtualLm75,
    VirtualPcf8574,
    VirtualPn532,
    virtual_sdm630,
)

IDENTITY = {
    "site": "garage",
    "charger": "c1",
    "board": "olimex_esp32_poe",
    "rated_current_a": 32,
    "phases": 3,
    "tethered": False,
}


class MemoryFiles:
    """A file system that forgets."""

    def __init__(self):
        self.files = {}
        self.broken = False

    def read(self, name):
        if self.broken:
            raise OSError(5, "broken")
        return self.files.get(name)

    def write(self, name, data):
        self.files[name] = bytes(data)

    def append(self, name, data):
        self.files[name] = self.files.get(name, b"") + data

    def remove(self, name):
        self.files.pop(name, None)

    def size(self, name):
        return len(self.files.get(name, b""))


class VirtualParts(Parts):
    """Every bus with everything on it."""

    def __init__(self, host, profile, nvs):
        super().__init__(profile, nvs, host.clock.ticks_ms())
        self.host = host

    def open_serial(self, baud):
        return self.host.line

    def open_pulses(self):
        return Pulses()

    def open_can(self, bitrate):
        return VirtualCan()

    def open_one_wire(self):
        return VirtualDs18b20(self.host.clock)

    def open_pixels(self):
        return self.host.pixels.append

    def open_i2c(self):
        if self.host.no_i2c:
            raise OSError(19, "no I2C")
        return self.host.i2c


class PilotOfThisMoment:
    """Control pilot that closes at once when it may; its own snapshot."""

    cable_a = 32.0
    derated_a = 32.0
    duty_percent = 100.0
    cp_high_v = 12.0
    cp_low_v = None
    locked = ()

    def __init__(self):
        self.cp_state = "A"
        self.offered_current_a = 0.0
        self.permitted = False
        self.contactor_closed = False
        self.change_count = 0
        self.faults = ()
        self.beats = 0
        self.temperatures = []

    def cp(self, state):
        self.cp_state = state
        self._changed()

    def _changed(self):
        self.contactor_closed = self.cp_state == "C" and self.permitted and self.offered_current_a >= 6
        self.change_count += 1

    def snapshot(self):
        return self

    def offer(self, current_a):
        self.offered_current_a = current_a
        self._changed()

    def permit(self, allowed):
        self.permitted = allowed
        self._changed()

    def heartbeat(self):
        self.beats += 1

    def set_available(self, available):
        pass

    def temperature(self, celsius):
        self.temperatures.append(celsius)

    def disconnect(self, off):
        pass

    def clear_faults(self):
        pass


class Cable:
    """An Ethernet interface with its cable in."""

    def __init__(self):
        self.broken = False
        self.plugged = True
        self.config = ("192.168.1.20", "255.255.255.0", "192.168.1.1", "192.168.1.1")

    def active(self, on):
        if self.broken:
            raise OSError(5, "no PHY")

    def ifconfig(self, config=None):
        if config is not None:
            self.config = config
        return self.config

    def isconnected(self):
        return self.plugged


class Air(Cable):
    """A radio, and the access point that it may join."""

    def __init__(self):
        super().__init__()
        self.plugged = False
        self.key = "radio key"
        self.away = False
        self.attempts = []

    def connect(self, ssid, key):
        self.attempts.append(ssid)
        if self.plugged:
            raise OSError("Wifi Internal State Error")
        self.plugged = not self.away and key == self.key

    def disconnect(self):
        if not self.plugged:
            raise OSError("not joined")
        self.plugged = False


class VirtualHost:
    """Clock, flash, chip and serial port."""

    def __init__(self, clock):
        self.clock = clock
        self.flash = MemoryFiles()
        self.file_system = MemoryFiles()
        self.line = VirtualLine(clock)
        self.slave = virtual_sdm630()
        self.line.slaves.append(self.slave)
        self.i2c = VirtualI2c()
        self.card_reader = VirtualPn532(clock)
        self.thermometer = VirtualLm75(31.5)
        self.expander = VirtualPcf8574()
        self.i2c.devices = {0x24: self.card_reader, 0x48: self.thermometer, 0x20: self.expander}
        self.no_i2c = False
        self.pixels = []
        self.the_pilot = PilotOfThisMoment()
        self.cable = Cable()
        self.air = Air()
        self.lines = []
        self.typed = ""
        self.crashes = []
        self.resets = []
        self._state = 12345

    def provision(self, name, value):
        Nvs(FileNvs(self.flash)).write_object(name, value)

    def raw_nvs(self):
        return FileNvs(self.flash)

    def files(self):
        return self.file_system

    def parts(self, profile, nvs):
        return VirtualParts(self, profile, nvs)

    def pilot(self, identity):
        return self.the_pilot

    def lan(self, pins):
        return self.cable

    def wlan(self):
        return self.air

    def tls(self, ca_pem, cert_pem, key_pem):
        raise ValueError("no certificate")

    def equip(self, hardware, identity, storage):
        pass

    def random(self, count):
        data = bytearray()
        for _ in range(count):
            self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
            data.append(self._state >> 16 & 0xFF)
        return bytes(data)

    def keys(self):
        typed, self.typed = self.typed, ""
        return typed

    def write(self, line):
        self.lines.append(line)

    def crashed(self, error):
        self.crashes.append(error)

    def pause(self, seconds):
        pass

    def reset(self, kind):
        self.resets.append(kind)
