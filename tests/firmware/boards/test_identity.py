"""What NVS says about the charger is checked, and an error tells what is wrong and what is allowed."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.boards.identity import BadIdentity, Broker, Identity, Network
from firmware.boards.network_link import NO_ADDRESS, NetworkLink, open_lan, open_wlan
from firmware.boards.profiles import OLIMEX_ESP32_POE

GOOD: "dict[str, Any]" = {
    "site": "garage",
    "charger": "c1",
    "board": "wt32_eth01",
    "rated_current_a": 32,
    "phases": 3,
    "tethered": False,
}


def test_a_whole_identity():
    identity = Identity(GOOD | {"drivers": {"meter": "pulse"}, "phase_rotation": ["L2", "L3", "L1"]})
    assert (identity.site, identity.charger, identity.profile.name) == ("garage", "c1", "wt32_eth01")
    assert identity.drivers["meter"] == "pulse" and identity.drivers["reader"] == "pn532"
    assert identity.phase_rotation == ("L2", "L3", "L1")
    assert identity.profile.drivers["meter"] == "sdm630", "the board's own list is untouched"
    assert Identity(GOOD).phase_rotation == ("L1", "L2", "L3")
    assert Identity(GOOD | {"phases": 1}).phase_rotation == ("L1",)


@pytest.mark.parametrize("name", ["site", "charger", "board", "rated_current_a", "phases", "tethered"])
def test_what_is_missing_is_named(name: str):
    with pytest.raises(BadIdentity, match=f"{name} is missing"):
        Identity({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"site": "Garage"}, "site is 1 to 32 of a-z"),
        ({"charger": "a/b"}, "charger is 1 to 32"),
        ({"charger": ""}, "charger is 1 to 32"),
        ({"charger": "c" * 33}, "charger is 1 to 32"),
        ({"board": "esp8266"}, "there are: olimex_esp32_poe, wt32_eth01"),
        ({"rated_current_a": 5}, "rated_current_a is 6 to 80"),
        ({"rated_current_a": True}, "rated_current_a is 6 to 80"),
        ({"rated_current_a": float("nan")}, "rated_current_a is 6 to 80"),
        ({"phases": 4}, "phases is 1 to 3"),
        ({"phase_rotation": ["L1", "L1", "L2"]}, "phase_rotation names 3 different"),
        ({"phase_rotation": ["L1"]}, "phase_rotation names 3 different"),
        ({"phase_rotation": ["L1", "L2", ["L3"]]}, "phase_rotation names 3 different"),
        ({"tethered": 1}, "tethered is true or false"),
        ({"drivers": []}, "drivers is an object"),
        ({"drivers": {"meter": "sdm360"}}, "identity: meter 'sdm360' is not known"),
        ({"options": {"baud": 1}}, "identity: option 'baud' is not known"),
        ({"fan": 1}, "'fan' is not known; there are: site, charger"),
    ],
)
def test_what_is_wrong_is_said(patch: "dict[str, Any]", words: str):
    with pytest.raises(BadIdentity, match=words):
        Identity(GOOD | patch)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*GOOD, "drivers", "options", "phase_rotation", "simplified_cap_a"]), JSON))
def test_nothing_but_a_bad_identity_comes_of_bad_values(patch: "dict[str, Any]"):
    try:
        Identity(GOOD | patch)
    except BadIdentity as error:
        assert str(error)


def test_networks():
    assert Network({}).static is None
    values = {"address": "192.168.1.20", "netmask": "255.255.255.0", "gateway": "192.168.1.1"}
    assert Network(values).static == ("192.168.1.20", "255.255.255.0", "192.168.1.1", "192.168.1.1")
    assert Network(values | {"dns": "9.9.9.9"}).static == ("192.168.1.20", "255.255.255.0", "192.168.1.1", "9.9.9.9")
    assert Network({}).interface == "lan" and Network({}, ("wlan2", "lan")).interface == "wlan2"
    radio = {"interface": "wlan", "ssid": "yard", "key": "radio key"}
    assert (Network(radio).interface, Network(radio).static) == ("wlan", None)
    assert Network(values | radio).static == Network(values).static


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"interface": "wifi"}, "interface is lan or wlan, not 'wifi'"),
        ({"interface": "wlan", "key": "radio key"}, "ssid is the name"),
        ({"interface": "wlan", "ssid": "y" * 33, "key": "radio key"}, "1 to 32 bytes"),
        ({"interface": "wlan", "ssid": "yard"}, "an open network is not joined"),
        ({"interface": "wlan", "ssid": "yard", "key": "k" * 64}, "8 to 63"),
        ({"ssid": "yard"}, "of use with interface wlan only"),
    ],
)
def test_a_radio_network_is_named_and_has_a_key(values: "dict[str, Any]", words: str):
    with pytest.raises(BadIdentity, match=words):
        Network(values)


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"address": "192.168.1"}, "address is an IPv4 address"),
        ({"address": "192.168.1.256"}, "address is an IPv4 address"),
        ({"address": "192.168.01.2"}, "address is an IPv4 address"),
        ({"netmask": "255.0.255.0"}, "netmask is one such as"),
        ({"netmask": "0.0.0.0"}, "netmask is one such as"),
        ({"gateway": 5}, "gateway is a text"),
        ({"router": "1.2.3.4"}, "'router' is not known"),
    ],
)
def test_networks_that_cannot_be(patch: "dict[str, Any]", words: str):
    with pytest.raises(BadIdentity, match=words):
        Network({"address": "192.168.1.20", "netmask": "255.255.255.0", "gateway": "192.168.1.1"} | patch)


def test_brokers():
    broker = Broker({"address": "192.168.1.2"}, "c1")
    assert (broker.port, broker.user, broker.password, broker.ca_pem) == (1883, "c1", None, None)
    assert Broker({"address": "192.168.1.2", "ca_pem": "PEM"}, "c1").port == 8883
    assert broker.name == "192.168.1.2"
    assert Broker({"address": "192.168.1.2", "name": "broker.example"}, "c1").name == "broker.example"
    for patch, words in (
        ({"address": "broker.example"}, "address is an IPv4 address"),
        ({"port": 0}, "port is 1 to 65535"),
        ({"password": 5}, "password is a text"),
        ({"ca_pem": "PEM", "cert_pem": "PEM"}, "cert_pem and key_pem belong together"),
        ({"cert_pem": "PEM", "key_pem": "PEM"}, "with ca_pem only"),
    ):
        with pytest.raises(BadIdentity, match=words):
            Broker({"address": "192.168.1.2"} | patch, "c1")  # type: ignore[operator]


class Interface:
    def __init__(self) -> None:
        self.on = self.cable = False
        self.config = (NO_ADDRESS, NO_ADDRESS, NO_ADDRESS, NO_ADDRESS)

    def active(self, on: bool) -> None:
        self.on = on

    def ifconfig(self, config: "tuple[str, str, str, str] | None" = None) -> "tuple[str, str, str, str]":
        if config is not None:
            self.config = config
        return self.config

    def isconnected(self) -> bool:
        return self.on and self.cable


def test_ethernet_by_dhcp_and_static():
    interface = Interface()
    ethernet = NetworkLink(lambda: interface, None)
    assert not ethernet.up()
    ethernet.poll(0)
    assert (ethernet.up(), ethernet.describe()) == (False, "no cable, or nobody at its other end")
    interface.cable = True
    assert (ethernet.up(), ethernet.describe()) == (False, "waits for an address by DHCP")
    interface.config = ("192.168.1.20", "255.255.255.0", "192.168.1.1", "192.168.1.1")
    assert (ethernet.up(), ethernet.describe()) == (True, "192.168.1.20 netmask 255.255.255.0, DHCP")
    interface.cable = False
    assert not ethernet.up() and ethernet.changes == 2
    static = NetworkLink(lambda: interface, ("10.0.0.2", "255.0.0.0", "10.0.0.1", "10.0.0.1"))
    static.poll(0)
    interface.cable = True
    assert (static.up(), static.describe()) == (True, "10.0.0.2 netmask 255.0.0.0, static")


def test_the_interface_is_opened_as_the_profile_says(monkeypatch: pytest.MonkeyPatch):
    import sys
    from types import SimpleNamespace

    def pin(number: int) -> str:
        return f"pin {number}"

    pin.OUT, pin.IN = "out", "in"  # type: ignore[attr-defined]
    opened: dict[str, Any] = {}
    network = SimpleNamespace(
        LAN=lambda **options: opened.update(options), PHY_LAN8720="lan8720", WLAN=lambda mode: mode, STA_IF="station"
    )
    monkeypatch.setitem(sys.modules, "machine", SimpleNamespace(Pin=pin))
    monkeypatch.setitem(sys.modules, "network", network)
    assert open_wlan() == "station"
    open_lan(OLIMEX_ESP32_POE.ethernet)
    assert opened == {
        "mdc": "pin 23",
        "mdio": "pin 18",
        "power": "pin 12",
        "phy_type": "lan8720",
        "phy_addr": 0,
        "ref_clk": "pin 17",
        "ref_clk_mode": "out",
    }
