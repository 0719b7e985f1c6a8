"""What a site may choose about its grid meters: the section ``[grid_meter]`` of ``site.toml``."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from agents.grid_meter.drivers import DRIVERS
from agents.runtime.site_config import AgentSettings, Port, SettingError, Settings
from bus_schema import Id


class MeterSettings(Settings):
    """A meter that is read over Modbus TCP, or through a gateway from Modbus TCP to RS-485."""

    driver: str
    """Kind of meter: ``eastron_sdm630`` (also SDM72D-M-2), ``abb_b23``, ``carlo_gavazzi_em340``, ``janitza_umg`` or
    ``schneider_iem3000``."""
    host: Annotated[str, Field(min_length=1)]
    """Name or address of the meter or of its gateway."""
    port: Port = 502
    """TCP port."""
    unit: Annotated[int, Field(ge=1, le=247)] = 1
    """Modbus address of the meter."""
    interval_s: Annotated[float, Field(ge=0.2, le=60, strict=False)] = 1.0
    """How often it is read. s."""
    timeout_s: Annotated[float, Field(ge=0.1, le=10, strict=False)] = 1.0
    """How long an answer may take. s."""
    inverted: bool = False
    """Whether the meter counts what flows into the site as negative: turns the sign of currents and powers, and
    exchanges the import and export registers."""
    phase_order: Annotated[list[Literal["L1", "L2", "L3"]], Field(min_length=3, max_length=3)] = ["L1", "L2", "L3"]
    """Phase of the site at each of the meter's inputs 1, 2 and 3."""
    words_swapped: bool = False
    """Whether this meter or gateway sends the words of a value in the other order than its maker documents."""

    @field_validator("driver")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in DRIVERS:
            raise SettingError(f"is not a driver; there are {', '.join(DRIVERS)}")
        return value

    @field_validator("phase_order")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise SettingError("names a phase twice")
        return value


class GridMeterSettings(AgentSettings):
    """Which meters the site has: one table ``[grid_meter.meters.NAME]`` each."""

    meters: dict[Id, MeterSettings] = {}
    """The meters, one table ``[grid_meter.meters.NAME]`` each."""
