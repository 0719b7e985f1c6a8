"""Shelly Pro 3EM, with three phases.

Source: Shelly, Gen2 API: components EM and EMData.
"""

from agents.grid_meter.json_values import Field, HttpDriver

DRIVER = HttpDriver(
    title="Shelly Pro 3EM, with three phases",
    source="Shelly, Gen2 API: components EM and EMData",
    paths=(
        "/rpc/EM.GetStatus?id=0",
        "/rpc/EMData.GetStatus?id=0",
    ),
    currents=(Field("a_current"), Field("b_current"), Field("c_current")),
    voltages=(Field("a_voltage"), Field("b_voltage"), Field("c_voltage")),
    phase_powers=(Field("a_act_power"), Field("b_act_power"), Field("c_act_power")),
    power=Field("total_act_power"),
    import_energy=Field("total_act", 1),
    export_energy=Field("total_act_ret", 1),
)
"""Names of the values."""
