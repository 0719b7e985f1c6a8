"""Fronius Smart Meter, through the inverter.

Source: Fronius, Solar API V1 (42,0410,2012), GetMeterRealtimeData.
"""

from agents.grid_meter.json_values import Field, HttpDriver

DRIVER = HttpDriver(
    title="Fronius Smart Meter, through the inverter",
    source="Fronius, Solar API V1 (42,0410,2012), GetMeterRealtimeData",
    paths=("/solar_api/v1/GetMeterRealtimeData.cgi?Scope=Device&DeviceId=0",),
    currents=(
        Field("Body.Data.Current_AC_Phase_1"),
        Field("Body.Data.Current_AC_Phase_2"),
        Field("Body.Data.Current_AC_Phase_3"),
    ),
    voltages=(
        Field("Body.Data.Voltage_AC_Phase_1"),
        Field("Body.Data.Voltage_AC_Phase_2"),
        Field("Body.Data.Voltage_AC_Phase_3"),
    ),
    phase_powers=(
        Field("Body.Data.PowerReal_P_Phase_1"),
        Field("Body.Data.PowerReal_P_Phase_2"),
        Field("Body.Data.PowerReal_P_Phase_3"),
    ),
    power=Field("Body.Data.PowerReal_P_Sum"),
    import_energy=Field("Body.Data.EnergyReal_WAC_Plus_Absolute"),
    export_energy=Field("Body.Data.EnergyReal_WAC_Minus_Absolute"),
)
"""Names of the values."""
