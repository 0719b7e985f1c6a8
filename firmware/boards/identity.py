"""Who a charger is, how it reaches its broker, and what it is made of: read from NVS and checked.

``chargebus provision`` writes these entries; an error says which value is wrong and what is allowed.
"""

from .profiles import UnknownBoard, profile_of
from .registry import BadChoice, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ID = "abcdefghijklmnopqrstuvwxyz0123456789"
_PHASES = ("L1", "L2", "L3")
MIN_RATED_A, MAX_RATED_A = 6, 80
"""What a control pilot can tell."""


class BadIdentity(ValueError):
    """An entry that a charger cannot start with."""


class Identity:
    """Who the charger is, and what it is made of."""

    def __init__(self, values: "dict[str, Any]") -> None:
        """Read the entry ``identity``. Raises :class:`BadIdentity`."""
        _known("identity", values, _IDENTITY)
        self.site = _id(values, "site")
        self.charger = _id(values, "charger")
        self.board: str = _one(values, "board", "str", None)
        try:
            self.profile = profile_of(self.board)
        except UnknownBoard as error:
            raise BadIdentity("identity: " + str(error)) from None
        self.revision: str = _one(values, "revision", "str", "1")
        self.rated_current_a = _number(values, "rated_current_a", MIN_RATED_A, MAX_RATED_A, None)
        self.phases = int(_number(values, "phases", 1, 3, None))
        self.phase_rotation = _rotation(values, self.phases)
        self.tethered: bool = _one(values, "tethered", "bool", None)
        self.has_mirror: bool = _one(values, "has_mirror", "bool", True)
        self.has_residual_test: bool = _one(values, "has_residual_test", "bool", True)
        self.simplified_cap_a = _number(values, "simplified_cap_a", 0, MAX_RATED_A, 10)
        self.drivers = dict(self.profile.drivers)
        self.drivers.update(_one(values, "drivers", "dict", {}))
        self.options: dict[str, Any] = _one(values, "options", "dict", {})
        try:
            check(self.drivers, self.options)
        except BadChoice as error:
            raise BadIdentity("identity: " + str(error)) from None
        self.firmware_keys = tuple(_one(values, "firmware_keys", "list", []))
        """Moduli of the keys that may sign firmware, hexadecimal."""


class Network:
    """How the charger reaches its network: by which interface, with an address by DHCP or its own."""

    def __init__(self, values: "dict[str, Any]", networks: "tuple[str, ...]" = ("lan", "wlan")) -> None:
        """Read the entry ``network``; an empty one means the board's first and DHCP. Raises :class:`BadIdentity`."""
        _known("network", values, _NETWORK)
        self.interface: str = _one(values, "interface", "str", networks[0])
        if self.interface not in networks:
            raise BadIdentity("network: interface is %s, not '%s'" % (" or ".join(networks), self.interface))
        self.ssid: str = _one(values, "ssid", "str", "")
        self.key: str = _one(values, "key", "str", "")
        if self.interface == "wlan":
            if not 1 <= len(self.ssid.encode()) <= 32:
                raise BadIdentity("network: ssid is the name of the network to join, 1 to 32 bytes")
            if not 8 <= len(self.key.encode()) <= 63:
                raise BadIdentity("network: key has 8 to 63 characters: an open network is not joined")
        elif self.ssid or self.key:
            raise BadIdentity("network: ssid and key are of use with interface wlan only")
        self.static: tuple[str, str, str, str] | None = None
        if any([name in values for name in _STATIC]):
            gateway = _address("network", values, "gateway")
            dns = _address("network", values, "dns") if "dns" in values else gateway
            self.static = (_address("network", values, "address"), _netmask(values), gateway, dns)


class Broker:
    """Where the broker is, and how to log in."""

    def __init__(self, values: "dict[str, Any]", charger: str) -> None:
        """Read the entry ``broker``. Raises :class:`BadIdentity`."""
        _known("broker", values, _BROKER)
        # A name would be looked up with a call that stops everything for seconds, and a charging charger with it.
        self.address = _address("broker", values, "address")
        self.ca_pem: str | None = _one(values, "ca_pem", "str", "") or None
        self.cert_pem: str | None = _one(values, "cert_pem", "str", "") or None
        """The charger's own certificate, with the key that belongs to it; None for password only."""
        self.key_pem: str | None = _one(values, "key_pem", "str", "") or None
        if (self.cert_pem is None) != (self.key_pem is None):
            raise BadIdentity("broker: cert_pem and key_pem belong together (chargebus provision)")
        if self.cert_pem is not None and self.ca_pem is None:
            raise BadIdentity("broker: cert_pem is of use with ca_pem only (chargebus provision)")
        self.port = int(_number(values, "port", 1, 65535, 1883 if self.ca_pem is None else 8883))
        self.user: str = _one(values, "user", "str", charger)
        self.password: str | None = _one(values, "password", "str", "") or None
        self.name: str = _one(values, "name", "str", "") or self.address
        """Whom the broker's certificate must name."""


_STATIC = ("address", "netmask", "gateway", "dns")
_NETWORK = ("interface", "ssid", "key") + _STATIC
_BROKER = ("address", "port", "user", "password", "ca_pem", "cert_pem", "key_pem", "name")
_IDENTITY = (
    "site",
    "charger",
    "board",
    "revision",
    "rated_current_a",
    "phases",
    "phase_rotation",
    "tethered",
    "has_mirror",
    "has_residual_test",
    "simplified_cap_a",
    "drivers",
    "options",
    "firmware_keys",
)
_TYPES = {
    "str": (str, "a text"),
    "bool": (bool, "true or false"),
    "dict": (dict, "an object"),
    "list": (list, "a list"),
}


def _known(entry: str, values: "dict[str, Any]", names: "Any") -> None:
    for name in sorted(values):
        if name not in names:
            raise BadIdentity("%s: '%s' is not known; there are: %s" % (entry, name, ", ".join(names)))


def _one(values: "dict[str, Any]", name: str, kind: str, default: "Any") -> "Any":
    if name not in values:
        if default is None:
            raise BadIdentity("%s is missing (chargebus provision)" % name)
        return default
    wanted, words = _TYPES[kind]
    if not isinstance(values[name], wanted):
        raise BadIdentity("%s is %s, not %r" % (name, words, values[name]))
    return values[name]


def _number(values: "dict[str, Any]", name: str, low: float, high: float, default: "float | None") -> float:
    value = values.get(name, default)
    if value is None:
        raise BadIdentity("%s is missing (chargebus provision)" % name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadIdentity("%s is %s to %s, not %r" % (name, low, high, value))
    return value


def _id(values: "dict[str, Any]", name: str) -> str:
    text: str = _one(values, name, "str", None)
    good = 1 <= len(text) <= 32 and text[0] in _ID and all([letter in _ID + "_-" for letter in text])
    if not good:
        raise BadIdentity(
            "%s is 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or digit, not %r" % (name, text)
        )
    return text


def _rotation(values: "dict[str, Any]", phases: int) -> "tuple[str, ...]":
    rotation = tuple(_one(values, "phase_rotation", "list", list(_PHASES[:phases])))
    distinct = {phase for phase in rotation if phase in _PHASES}
    if len(rotation) != phases or len(distinct) != phases:
        raise BadIdentity("phase_rotation names %d different ones of L1, L2, L3, not %r" % (phases, rotation))
    return rotation


def _address(entry: str, values: "dict[str, Any]", name: str) -> str:
    text: str = _one(values, name, "str", None)
    if _octets(text) is None:
        raise BadIdentity("%s: %s is an IPv4 address such as 192.168.1.20, not %r" % (entry, name, text))
    return text


def _netmask(values: "dict[str, Any]") -> str:
    text = _address("network", values, "netmask")
    bits = 0
    for octet in _octets(text) or ():
        bits = bits << 8 | octet
    inverted = bits ^ 0xFFFFFFFF
    if inverted & (inverted + 1) or not bits:
        raise BadIdentity("network: netmask is one such as 255.255.255.0, not %r" % text)
    return text


def _octets(text: str) -> "list[int] | None":
    parts = text.split(".")
    if len(parts) != 4:
        return None
    for part in parts:
        if not part.isdigit() or len(part) > 3 or int(part) > 255 or (len(part) > 1 and part[0] == "0"):
            return None
    return [int(part) for part in parts]
