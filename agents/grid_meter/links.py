"""The way to a meter, by what its driver speaks."""

from typing import Protocol

from agents.grid_meter.drivers import DRIVERS
from agents.grid_meter.json_values import Field, HttpDriver
from agents.grid_meter.measured import Measured
from agents.grid_meter.registers import ModbusDriver
from agents.grid_meter.settings import JsonValues, MeterSettings


class Link(Protocol):
    """A meter that can be read."""

    async def read(self) -> Measured:
        """Return what it measures. Raises :class:`agents.grid_meter.measured.MeterUnreachable`."""

    async def close(self) -> None:
        """Disconnect."""


def link_to(settings: MeterSettings) -> Link:
    """Return the way to a meter; nothing is connected yet. Libraries are imported for those that need them."""
    named = settings.json_values
    driver = DRIVERS[settings.driver] if named is None else driver_of(named)
    if isinstance(driver, ModbusDriver):
        from agents.grid_meter.modbus_link import ModbusLink

        return ModbusLink(driver, settings)
    from agents.grid_meter.http_link import HttpLink

    return HttpLink(driver, settings)


def driver_of(named: JsonValues) -> HttpDriver:
    """Return the driver that ``site.toml`` describes."""
    scale = 1000.0 if named.energy_unit == "kWh" else 1.0

    def energy(path: str | None) -> Field | None:
        return None if path is None else Field(path, scale=scale)

    return HttpDriver(
        title="JSON over HTTP",
        source="site.toml",
        paths=(named.path,),
        currents=tuple(map(Field, named.currents)),
        voltages=tuple(map(Field, named.voltages)),
        phase_powers=tuple(map(Field, named.powers)),
        power=Field(named.power),
        import_energy=energy(named.import_energy),
        export_energy=energy(named.export_energy),
    )
