"""Devices that answer with bytes, rightly and wrongly, on a clock that stands until it is moved.

In what MicroPython runs too: the drivers are tested with them on both.
"""

import struct

from firmware.boards.drivers.ds18b20 import crc8
from firmware.boards.drivers.modbus_frames import with_crc


class Time:
    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now

    def utc_ms(self):
        return None

    def set_utc_ms(self, value):
        pass


class VirtualLine:
    """A serial line with Modbus slaves; every byte takes its time."""

    def __init__(self, time, baud=9600):
        self.time = time
        self.baud = baud
        self.slaves = []
        self.echo = False
        self.requests = []
        self._arriving = []

    def write(self, data):
        data = bytes(data)
        self.requests.append(data)
        took_ms = len(data) * 11 * 1000 / self.baud
        if self.echo:
            self.transmit(data, 0)
        for slave in self.slaves:
            for answer, delay_ms in slave.answers(data):
                self.transmit(answer, took_ms + delay_ms)
        return len(data)

    def transmit(self, data, delay_ms):
        for index, byte in enumerate(data):
            # A whole number: in single precision a host's clock is too coarse once it has run for five hours.
            after_ms = -int(-(delay_ms + (index + 1) * 11 * 1000 / self.baud) // 1)
            self._arriving.append((self.time.now + after_ms, byte))
        self._arriving.sort(key=lambda arrival: arrival[0])

    def any(self):
        return len([1 for at, _ in self._arriving if at <= self.time.now])

    def read(self, count):
        count = min(count, self.any())
        taken, self._arriving = self._arriving[:count], self._arriving[count:]
        return bytes([byte for _, byte in taken]) or None


class VirtualSlave:
    """Input registers, and what is wrong with how they are told."""

    def __init__(self, address):
        self.address = address
        self.registers = {}
        self.fault = None
        self.delay_ms = 30
        self.asked = 0

    def set_float(self, address, value):
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        self.registers[address], self.registers[address + 1] = high, low

    def answers(self, request):
        """Yield (bytes, delay) for a request that is for this slave."""
        if len(request) != 8 or with_crc(request[:-2]) != request:
            return []
        slave, function, start, count = struct.unpack(">BBHH", request[:6])
        if slave != self.address or function != 4:
            return []
        self.asked += 1
        words = [self.registers.get(start + index, 0) for index in range(count)]
        body = bytes((slave, 4, 2 * count)) + struct.pack(f">{count}H", *words)
        good = with_crc(body)
        fault = self.fault
        if fault == "silent":
            return []
        if fault == "late":
            return [(good, 1250)]
        if fault == "wrong_crc":
            return [(good[:-1] + bytes((good[-1] ^ 0x40,)), self.delay_ms)]
        if fault == "wrong_slave":
            return [(with_crc(bytes((slave ^ 3,)) + body[1:]), self.delay_ms)]
        if fault == "wrong_length":
            return [(with_crc(bytes((slave, 4, 2)) + body[3:5]), self.delay_ms)]
        if fault == "partial":
            return [(good[: len(good) // 2], self.delay_ms)]
        if fault == "exception":
            return [(with_crc(bytes((slave, 0x84, 2))), self.delay_ms)]
        if fault == "noise":
            return [(b"\x00\xff\x7e" + good + b"\x00", self.delay_ms)]
        if fault == "foreign_first":
            return [(with_crc(bytes((slave ^ 3,)) + body[1:]), self.delay_ms), (good, self.delay_ms + 200)]
        return [(good, self.delay_ms)]


def virtual_sdm630(address=1):
    slave = VirtualSlave(address)
    for phase in range(3):
        slave.set_float(2 * phase, 230.0 + phase)
        slave.set_float(6 + 2 * phase, 10.0 + phase)
    slave.set_float(0x34, 7590.5)
    slave.set_float(0x48, 1234.567)
    return slave


def virtual_sdm120(address=1):
    slave = VirtualSlave(address)
    slave.set_float(0x00, 229.5)
    slave.set_float(0x06, 15.25)
    slave.set_float(0x0C, 3500.0)
    slave.set_float(0x48, 42.001)
    return slave


def virtual_pzem(address=1):
    slave = VirtualSlave(address)
    words = (2305, 0x86A0, 0x0001, 0x5A3C, 0x0003, 0xE240, 0x0001, 500, 99, 0)
    for index, word in enumerate(words):
        slave.registers[index] = word
    return slave


class VirtualI2c:
    """Devices by address. Nobody there, or ``broken``: OSError."""

    def __init__(self):
        self.devices = {}
        self.broken = False

    def _device(self, address):
        if self.broken or address not in self.devices:
            raise OSError(19, "ENODEV")
        return self.devices[address]

    def writeto(self, address, data):
        self._device(address).written(bytes(data))
        return len(data)

    def readfrom_into(self, address, buffer):
        data = self._device(address).read(len(buffer))
        buffer[:] = data

    def readfrom_mem_into(self, address, register, buffer):
        buffer[:] = self._device(address).memory(register, len(buffer))


class VirtualPn532:
    """A card reader with cards in front of it."""

    def __init__(self, time):
        self.time = time
        self.cards = []
        self.hung = False
        self.torn = False
        self.commands = []
        self._configured = set()
        self._queue = []

    def restart(self):
        self._configured = set()
        self._queue = []

    def written(self, data):
        assert data[:3] == b"\x00\x00\xff" and (data[3] + data[4]) & 0xFF == 0, data
        body = data[5 : 5 + data[3]]
        assert (sum(body) + data[5 + data[3]]) & 0xFF == 0, data
        assert body[0] == 0xD4, data
        self.commands.append(body[1])
        now = self.time.now
        self._queue = [(now + 2, b"\x00\x00\xff\x00\xff\x00")]
        if self.hung:
            return
        self._configured.add(body[1])
        carried = b""
        if body[1] == 0x4A:
            # A reader that was not told how often to look, looks for ever.
            if not self.cards and 0x32 not in self._configured:
                return
            carried = b"\x00"
            if self.cards:
                uid = self.cards[0]
                carried = bytes((1, 1, 0x00, 0x04, 0x08, len(uid))) + uid
        answer = bytes((0xD5, body[1] + 1)) + carried
        frame = bytes((0, 0, 0xFF, len(answer), -len(answer) & 0xFF)) + answer + bytes((-sum(answer) & 0xFF, 0))
        if self.torn:
            frame = frame[:-2] + bytes((frame[-2] ^ 1, 0))
        self._queue.append((now + 30, frame))

    def read(self, count):
        ready = self._queue and self._queue[0][0] <= self.time.now
        if not ready:
            return bytes(count)
        if count == 1:
            return b"\x01"
        frame = self._queue.pop(0)[1]
        return (b"\x01" + frame + bytes(count))[:count]


class VirtualLm75:
    def __init__(self, celsius):
        self.celsius = celsius

    def memory(self, register, count):
        assert register == 0
        return struct.pack(">h", int(self.celsius * 256))[:count]


class VirtualPcf8574:
    """Weak high, strong low; ``pulled_low`` are pins that something outside pulls down."""

    def __init__(self):
        self.latch = 0xFF
        self.pulled_low = 0

    def written(self, data):
        self.latch = data[-1]

    def read(self, count):
        return bytes((self.latch & ~self.pulled_low & 0xFF,)) * count

    def on(self, pin):
        return not self.latch >> pin & 1


class VirtualDs18b20:
    """One sensor on a 1-Wire line."""

    def __init__(self, time):
        self.time = time
        self.celsius = 20.0
        self.absent = False
        self.stuck_low = False
        self.torn = False
        self._raw = 0x0550
        self._converts_until = None
        self._commands = []

    def reset(self):
        self._commands = []
        return not self.absent

    def writebyte(self, value):
        self._commands.append(value)
        if self._commands == [0xCC, 0x44]:
            self._converts_until = self.time.now + 750

    def readinto(self, buffer):
        assert self._commands == [0xCC, 0xBE]
        if self._converts_until is not None and self.time.now >= self._converts_until:
            self._raw = int(self.celsius * 16)
        body = struct.pack("<h", self._raw) + b"\x4b\x46\x7f\xff\x0c\x10"
        data = body + bytes((crc8(body),))
        if self.torn:
            data = bytes((data[0] ^ 4,)) + data[1:]
        buffer[:] = bytes(9) if self.stuck_low else data


class Pulses:
    def __init__(self):
        self.count = 0

    def value(self):
        return self.count


class Kept:
    """A lifetime number on flash."""

    def __init__(self, value=0):
        self.number = value
        self.writes = 0
        self.broken = False

    def load(self):
        if self.broken:
            raise OSError(5, "broken")
        return self.number

    def keep(self, value):
        if self.broken:
            raise OSError(5, "broken")
        self.writes += 1
        self.number = value


class VirtualCan:
    def __init__(self):
        self.frames = []

    def terminal(self, voltage_v, current_a, length=8):
        self.frames.append((0x00433F01, struct.pack(">ff", voltage_v, current_a * 10)[:length]))

    def receive(self, data):
        if not self.frames:
            return None
        identifier, payload = self.frames.pop(0)
        data[:] = payload + bytes(8 - len(payload))
        return (identifier, len(payload))


class Switch:
    """An output that remembers."""

    def __init__(self):
        self.is_on = False
        self.changes = []

    def set(self, on):
        if on != self.is_on:
            self.changes.append(on)
        self.is_on = on


class LockMotor:
    """A connector lock: two outputs, and a contact that follows them after a while."""

    def __init__(self, time, travel_ms=300):
        self.time = time
        self.travel_ms = travel_ms
        self.lock = Switch()
        self.unlock = Switch()
        self.position = 0.0
        self.jammed = False
        self.contact_broken = False
        self._at = 0

    def settle(self):
        elapsed, self._at = self.time.now - self._at, self.time.now
        assert not (self.lock.is_on and self.unlock.is_on), "both directions at once"
        if not self.jammed:
            step = elapsed / self.travel_ms
            if self.lock.is_on:
                self.position = min(1.0, self.position + step)
            elif self.unlock.is_on:
                self.position = max(0.0, self.position - step)

    def on(self):
        self.settle()
        return None if self.contact_broken else self.position > 0.9


def pass_time(time, device, ms, step_ms=20):
    """Let time pass, polling every 20 ms."""
    end = time.now + ms
    while time.now < end:
        time.now = min(end, time.now + step_ms)
        device.poll(time.now)
