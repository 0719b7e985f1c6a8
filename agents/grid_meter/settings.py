"""What a site may choose about its grid meters: the section ``[grid_meter]`` of ``site.toml``."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.registers import ModbusDriver
from agents.runtime.configuration.site_config import AgentSettings, FilePath, Port, SettingError, Settings
from bus_schema import Id

PHASES = ("L1", "L2", "L3")

JSON_HTTP = "json_http"
"""Name of the driver whose values are named in ``site.toml``."""

NAMES = (*DRIVERS, JSON_HTTP)
"""Every driver that may be chosen."""

Path = Annotated[str, Field(min_length=1, max_length=200)]
"""Keys and list indices with dots, from the outside to the inside: ``emeters.0.current``."""

OneOrThree = Annotated[list[Path], Field(min_length=1, max_length=3)]
"""One for each phase that is measured."""


class JsonValues(Settings):
    """Where the values are in the answer of a meter that is asked by the driver ``json_http``."""

    path: Annotated[str, Field(pattern="^/[!-~]*$", max_length=500)]
    """Path and query that are fetched: ``/status``."""
    currents: OneOrThree
    """Currents of the phases. A."""
    voltages: OneOrThree
    """Voltages between phase and neutral. V."""
    powers: OneOrThree
    """Active powers of the phases, positive into the site. W."""
    power: Path
    """Active power of all phases. W."""
    import_energy: Path | None = None
    """Register of what was drawn from the grid."""
    export_energy: Path | None = None
    """Register of what was given to the grid."""
    energy_unit: Literal["Wh", "kWh"] = "Wh"
    """Unit of the registers."""

    @model_validator(mode="after")
    def _same_phases(self) -> Self:
        if not len(self.currents) == len(self.voltages) == len(self.powers) != 2:
            raise SettingError("names currents, voltages and powers of one phase, or of three")
        return self


class MeterSettings(Settings):
    """A meter: at Modbus TCP, at a gateway from Modbus TCP to RS-485, at a serial line, or at HTTP."""

    driver: str
    """Kind of meter; ``chargebus meter list`` shows them all."""
    host: Annotated[str, Field(pattern="^[A-Za-z0-9.:_-]+$", max_length=253)] | None = None
    """Name or address of the meter or of its gateway."""
    port: Port | None = None
    """TCP port; if it is not given 502 for Modbus and 80 for HTTP."""
    serial: Annotated[str, Field(pattern="^/")] | None = None
    """Device of a serial line to RS-485, instead of ``host``: ``/dev/ttyUSB0``. For meters with Modbus RTU."""
    baud: Annotated[int, Field(ge=1200, le=115_200)] = 9600
    """Speed of the serial line. Bit/s."""
    parity: Literal["none", "even", "odd"] = "none"
    """Parity of the serial line."""
    unit: Annotated[int, Field(ge=1, le=247)] = 1
    """Modbus address of the meter."""
    user: str = "admin"
    """Who asks over HTTP, where the meter has a password (digest authentication)."""
    password_file: FilePath | None = None
    """File with the password for HTTP in its first line."""
    interval_s: Annotated[float, Field(ge=0.2, le=60, strict=False)] = 1.0
    """How often it is read. s."""
    timeout_s: Annotated[float, Field(ge=0.1, le=10, strict=False)] = 1.0
    """How long an answer may take. s."""
    inverted: bool = False
    """Whether the meter counts what flows into the site as negative: turns the sign of currents and powers, and
    exchanges the import and export registers."""
    phase_order: Annotated[list[Literal["L1", "L2", "L3"]], Field(max_length=3)] = []
    """Phase of the site at each of the meter's inputs; in their order if it is not given."""
    words_swapped: bool = False
    """Whether this meter or gateway sends the words of a value in the other order than its maker documents."""
    json_values: JsonValues | None = None
    """Where the values are, for the driver ``json_http``."""

    @field_validator("driver")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in NAMES:
            raise SettingError(f"is not a driver; there are {', '.join(NAMES)}")
        return value

    @field_validator("phase_order")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise SettingError("names a phase twice")
        return value

    @model_validator(mode="after")
    def _fit(self) -> Self:
        modbus = isinstance(DRIVERS.get(self.driver), ModbusDriver)
        if (self.host is None) == (self.serial is None):
            raise SettingError("needs either host or serial")
        if self.serial is not None and not modbus:
            raise SettingError(f"is only for Modbus; {self.driver} is asked over HTTP, at its host", ("serial",))
        if (self.driver == JSON_HTTP) != (self.json_values is not None):
            raise SettingError(f"goes with the driver {JSON_HTTP}, and only with it", ("json_values",))
        if self.phase_order and len(self.phase_order) != self.phases:
            raise SettingError(f"names {len(self.phase_order)} phases for a meter of {self.phases}", ("phase_order",))
        return self

    @property
    def phases(self) -> int:
        """How many phases the meter measures."""
        return len(self.json_values.currents) if self.json_values is not None else DRIVERS[self.driver].phases


class GridMeterSettings(AgentSettings):
    """Which meters the site has: one table ``[grid_meter.meters.NAME]`` each."""

    meters: dict[Id, MeterSettings] = {}
    """The meters, one table ``[grid_meter.meters.NAME]`` each."""
