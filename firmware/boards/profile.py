"""What a board profile is made of."""


class EthernetPins:
    """How the Ethernet chip hangs on the ESP32; None for what is not connected."""

    def __init__(
        self, phy: str, address: int, mdc: int, mdio: int, power: "int | None", ref_clk: int, out: bool
    ) -> None:
        self.phy = phy
        """Name of MicroPython's constant ``network.PHY_…``."""
        self.address = address
        self.mdc = mdc
        self.mdio = mdio
        self.power = power
        self.ref_clk = ref_clk
        self.ref_clk_out = out
        """Whether the ESP32 makes the clock."""


class Profile:
    """One board: which pin does what, and which drivers it has unless the charger's identity names others."""

    def __init__(
        self,
        name: str,
        title: str,
        ethernet: EthernetPins,
        pins: "dict[str, int]",
        notes: "dict[str, str]",
        reserved: "dict[int, str]",
        drivers: "dict[str, str]",
        psram: bool = False,
        networks: "tuple[str, ...]" = ("lan", "wlan"),
    ) -> None:
        self.name = name
        self.title = title
        self.ethernet = ethernet
        self.pins = pins
        """GPIO of each role."""
        self.notes = notes
        """What a person who wires it must know of a role's pin."""
        self.reserved = reserved
        """Pins that the board itself uses, and for what."""
        self.drivers = drivers
        """Name of the driver of each kind."""
        self.psram = psram
        self.networks = networks
        """Names of the ways to a network that it has; the first is taken unless the charger's entry names another."""
