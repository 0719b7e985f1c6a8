"""The whole start: what runs with everything there, and what with something missing."""

from typing import Any

import pytest

from firmware.app import contract
from firmware.boards import main
from firmware.boards.main import Device, NotACharger
from tests.firmware.boards.certificates import BROKER_ENTRY, NEW, OLD, OLD_ENDS, utc_ms
from tests.firmware.boards.virtual_devices import Time
from tests.firmware.boards.virtual_host import IDENTITY, VirtualHost


class Bench:
    def __init__(self, **identity: Any) -> None:
        self.time = Time()
        self.host = VirtualHost(self.time)
        self.host.provision("identity", IDENTITY | identity)
        self.host.provision("broker", {"address": "192.168.1.2", "password": "secret"})

    def boot(self) -> Device:
        self.device = Device(self.host)
        self.device.charger.boot()
        return self.device

    def run(self, seconds: float) -> None:
        end = self.time.now + int(seconds * 1000)
        while self.time.now < end:
            self.time.now += 20
            self.device.poll()
            if self.time.now % 100 == 0:
                self.device.charger.tick()

    def faults(self) -> "list[str]":
        return [row[0] for row in self.device.charger.faults.rows()]


def test_everything_is_there():
    bench = Bench()
    device = bench.boot()
    assert device.notes == []
    bench.run(12)
    charger = device.charger
    assert charger.status == contract.STATUS_AVAILABLE and bench.faults() == []
    assert charger.measuring.register.energy_wh == 1_234_567
    assert bench.host.the_pilot.beats > 50
    assert bench.host.the_pilot.temperatures[-1] == 31.5
    assert any("Wh=1234567" in line for line in bench.host.lines), bench.host.lines
    assert device.network.describe().endswith("DHCP")


def test_a_session_of_the_console_locks_the_plug_and_unlocks_it():
    bench = Bench(drivers={"lock": "motor"})
    device = bench.boot()
    bench.run(2)
    pilot, chip = bench.host.the_pilot, bench.host.expander
    pilot.cp("B")
    bench.run(1)
    assert chip.latch & 1, "nobody is authorised: the plug may be pulled"
    bench.host.typed = "s"
    bench.run(0.3)
    assert device.charger.sessions.session is not None
    assert not chip.latch & 1, "the motor locks"
    chip.pulled_low = 0b100
    pilot.cp("C")
    bench.run(10)
    assert pilot.contactor_closed
    bench.host.typed = "t"
    bench.run(0.5)
    assert device.charger.sessions.session is None and not pilot.contactor_closed
    assert not chip.latch & 2, "the motor unlocks"
    chip.pulled_low = 0
    bench.run(1)
    assert device.hardware.unlock() is True


def test_an_unlock_command_waits_for_the_motor():
    bench = Bench(drivers={"lock": "motor"})
    device = bench.boot()
    bench.run(2)
    bench.host.expander.pulled_low = 0b100
    bench.run(0.04)
    device.charger.order("console", "unlock", {})
    bench.run(0.5)
    assert device.charger.jobs.waiting, "it moves"
    bench.host.expander.pulled_low = 0
    bench.run(0.5)
    assert not device.charger.jobs.waiting
    assert bench.faults() == []
    bench.host.expander.pulled_low = 0b100
    bench.run(0.3)
    device.charger.order("console", "unlock", {})
    bench.run(10)
    assert not device.charger.jobs.waiting
    assert bench.faults() == ["lock_failed"]


def test_the_drivers_faults_are_the_charger_s():
    bench = Bench()
    bench.boot()
    bench.run(2)
    del bench.host.i2c.devices[0x24]
    bench.run(15)
    assert bench.faults() == ["reader_silent"]
    bench.host.i2c.devices[0x24] = bench.host.card_reader
    bench.run(3)
    assert bench.faults() == []
    bench.host.slave.fault = "silent"
    bench.run(45)
    assert "meter_silent" in bench.faults()
    bench.host.slave.fault = None
    bench.run(15)
    assert bench.faults() == []


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda host: host.flash.files.clear(), "no identity yet: chargebus provision"),
        (lambda host: host.flash.write("identity", b"{"), "identity in NVS: not JSON: it breaks off"),
        (lambda host: host.provision("identity", IDENTITY | {"phases": 7}), "phases is 1 to 3"),
        (lambda host: host.provision("identity", IDENTITY | {"drivers": {"meter": "x"}}), "meter 'x' is not known"),
        (lambda host: setattr(host.flash, "broken", True), "NVS refuses"),
        (lambda host: setattr(host, "no_i2c", True), "no I2C"),
    ],
)
def test_without_this_it_is_no_charger_and_says_so(break_it: Any, words: str):
    bench = Bench()
    break_it(bench.host)
    with pytest.raises(NotACharger, match=words):
        Device(bench.host)
    assert bench.host.the_pilot.beats == 0 and not bench.host.the_pilot.permitted


async def test_it_complains_for_ten_minutes_and_lets_the_boot_loader_decide(monkeypatch: pytest.MonkeyPatch):
    assert main.COMPLAIN_S * main.COMPLAINTS == 600
    monkeypatch.setattr(main, "COMPLAIN_S", 0)
    host = VirtualHost(Time())
    await main.run(host)
    assert host.lines == ["not a charger: this charger has no identity yet: chargebus provision"] * main.COMPLAINTS
    assert host.resets == ["hard"]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda host: host.flash.remove("broker"), "no broker was told"),
        (lambda host: host.provision("broker", {"address": "broker"}), "address is an IPv4 address"),
        (lambda host: host.provision("broker", {"address": "1.2.3.4", "ca_pem": "x"}), "no certificate"),
        (lambda host: host.provision("network", {"address": "1.2.3.4"}), "using lan with DHCP"),
        (lambda host: setattr(host.cable, "broken", True), "lan does not start yet"),
    ],
)
def test_without_this_it_charges_all_the_same(break_it: Any, words: str):
    bench = Bench()
    break_it(bench.host)
    device = bench.boot()
    assert any(words in note for note in device.notes), device.notes
    bench.run(12)
    assert device.charger.status == contract.STATUS_AVAILABLE and bench.faults() == []
    bench.host.the_pilot.cp("B")
    bench.run(1)
    bench.host.typed = "s"
    bench.run(1)
    bench.host.the_pilot.cp("C")
    bench.run(12)
    assert bench.host.the_pilot.contactor_closed


def test_a_new_certificate_is_tried_and_one_that_tls_does_not_take_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    used: list[str | None] = []
    refused: list[str] = []

    def tls(_ca_pem: str, cert_pem: "str | None", _key_pem: "str | None") -> Any:
        if cert_pem in refused:
            raise ValueError("invalid cert")
        used.append(cert_pem)

    monkeypatch.setattr(bench.host, "tls", tls)
    bench.host.provision("broker", BROKER_ENTRY)
    for wanted in (NEW, OLD):
        refused[:] = [] if wanted == NEW else [NEW]
        login = bench.boot().hardware.login
        assert login is not None and login.ends_ts == utc_ms(OLD_ENDS)
        login.trial.stage(NEW, "id-1", "technician")
        login = bench.boot().hardware.login
        assert used[-1] == wanted and login is not None and login.trial.is_on == (wanted == NEW)
        login.trial.give_up("for another test")
        assert bench.boot().hardware.login is not None and used[-1] == OLD


def test_a_charger_with_a_password_only_has_no_certificate_to_renew():
    assert Bench().boot().hardware.login is None


def test_a_broken_file_system_does_not_charge():
    bench = Bench()
    bench.host.file_system.broken = True
    bench.boot()
    bench.run(3)
    assert "self_test" in bench.faults()
    bench.host.the_pilot.cp("C")
    bench.host.typed = "s"
    bench.run(3)
    assert not bench.host.the_pilot.contactor_closed


def test_a_static_address_is_set():
    bench = Bench()
    bench.host.provision("network", {"address": "10.0.0.9", "netmask": "255.0.0.0", "gateway": "10.0.0.1"})
    device = bench.boot()
    assert device.network.describe() == "10.0.0.9 netmask 255.0.0.0, static"


def test_the_cable_is_told_of_when_it_comes_and_goes():
    bench = Bench()
    bench.boot()
    bench.run(3)
    bench.host.cable.plugged = False
    bench.run(3)
    told = [line for line in bench.host.lines if line.startswith("lan")]
    assert told == [
        "lan: 192.168.1.20 netmask 255.255.255.0, DHCP",
        "lan: no cable, or nobody at its other end",
    ]


def test_an_ethernet_chip_that_answers_late_is_used():
    bench = Bench()
    bench.host.cable.broken = True
    device = bench.boot()
    bench.run(5)
    assert not device.network.up() and "no PHY" in device.network.describe()
    bench.host.cable.broken = False
    bench.run(31)
    assert device.network.up()
    assert [line for line in bench.host.lines if line.startswith("lan")] == [
        "lan: 192.168.1.20 netmask 255.255.255.0, DHCP"
    ]


def test_the_radio_is_joined_by_name_and_again_whenever_it_is_lost():
    bench = Bench()
    bench.host.provision("network", {"interface": "wlan", "ssid": "yard", "key": "radio key"})
    device = bench.boot()
    bench.run(3)
    air = bench.host.air
    assert device.network.up() and air.attempts == ["yard"]
    air.plugged, air.away = False, True
    bench.run(100)
    assert not device.network.up() and len(air.attempts) == 1 + 3, "every 30 s"
    bench.host.the_pilot.cp("B")
    assert device.charger.status == contract.STATUS_AVAILABLE
    air.away = False
    bench.run(31)
    assert device.network.up()
    assert [line for line in bench.host.lines if line.startswith("wlan")] == [
        "wlan: 192.168.1.20 netmask 255.255.255.0, DHCP",
        "wlan: has not joined 'yard'",
        "wlan: 192.168.1.20 netmask 255.255.255.0, DHCP",
    ]


def test_a_crash_is_told_and_restarts(monkeypatch: pytest.MonkeyPatch):
    bench = Bench()

    def crash(self: Device) -> None:
        raise ZeroDivisionError("nobody expected it")

    monkeypatch.setattr(Device, "poll", crash)
    main.start(bench.host)
    assert [str(error) for error in bench.host.crashes] == ["nobody expected it"]
    assert bench.host.resets == ["hard"]


def test_a_technician_s_interrupt_is_no_crash(monkeypatch: pytest.MonkeyPatch):
    bench = Bench()

    def interrupt(self: Device) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Device, "poll", interrupt)
    with pytest.raises(KeyboardInterrupt):
        main.start(bench.host)
    assert bench.host.resets == []


def test_power_loss_in_a_session_loses_nothing():
    bench = Bench()
    device = bench.boot()
    bench.run(3)
    bench.host.the_pilot.cp("B")
    bench.run(1)
    bench.host.typed = "s"
    bench.run(1)
    bench.host.the_pilot.cp("C")
    bench.run(12)
    session = device.charger.sessions.session
    assert session is not None
    bench.host.the_pilot.cp("A")
    bench.host.slave.set_float(0x48, 1235.067)
    again = bench.boot()
    bench.run(12)
    assert again.charger.sessions.session is None
    assert again.charger.measuring.register.energy_wh == 1_235_067
    records = b"".join(data for name, data in bench.host.file_system.files.items() if "journal" in name)
    assert records.count(session.session_id.encode()) >= 2
    assert b"PowerLoss" in records
