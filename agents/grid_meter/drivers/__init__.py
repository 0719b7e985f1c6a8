"""The kinds of meters that can be read, by name: one file each with the register map and its source."""

from agents.grid_meter.drivers import abb_b23, carlo_gavazzi_em340, eastron_sdm630, janitza_umg, schneider_iem3000
from agents.grid_meter.registers import ModbusDriver

DRIVERS: dict[str, ModbusDriver] = {
    "eastron_sdm630": eastron_sdm630.DRIVER,
    "abb_b23": abb_b23.DRIVER,
    "carlo_gavazzi_em340": carlo_gavazzi_em340.DRIVER,
    "janitza_umg": janitza_umg.DRIVER,
    "schneider_iem3000": schneider_iem3000.DRIVER,
}
"""Every driver by the name that ``site.toml`` gives."""
