"""The kinds of meters that can be read, by name: one file each with where its values are, and the source of that."""

from agents.grid_meter.drivers import (
    abb_b23,
    carlo_gavazzi_em340,
    chint_dtsu666,
    eastron_sdm120,
    eastron_sdm630,
    fronius_smart_meter,
    janitza_umg,
    schneider_iem3000,
    shelly_pro_3em,
    siemens_pac2200,
)
from agents.grid_meter.json_values import HttpDriver
from agents.grid_meter.registers import ModbusDriver

DRIVERS: dict[str, ModbusDriver | HttpDriver] = {
    "eastron_sdm630": eastron_sdm630.DRIVER,
    "eastron_sdm120": eastron_sdm120.DRIVER,
    "abb_b23": abb_b23.DRIVER,
    "carlo_gavazzi_em340": carlo_gavazzi_em340.DRIVER,
    "chint_dtsu666": chint_dtsu666.DRIVER,
    "janitza_umg": janitza_umg.DRIVER,
    "schneider_iem3000": schneider_iem3000.DRIVER,
    "siemens_pac2200": siemens_pac2200.DRIVER,
    "shelly_pro_3em": shelly_pro_3em.DRIVER,
    "fronius_smart_meter": fronius_smart_meter.DRIVER,
}
"""Every driver by the name that ``site.toml`` gives."""
