"""Eastron SDM120 and SDM230.

Source: Eastron, SDM120 Modbus manual; addresses as in mbmd's sdm120.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Eastron SDM120 and SDM230",
    source="Eastron, SDM120 Modbus manual; addresses as in mbmd's sdm120.go",
    holding=False,
    currents=(Value(0x0006, Kind.FLOAT32),),
    voltages=(Value(0x0000, Kind.FLOAT32),),
    phase_powers=(Value(0x000C, Kind.FLOAT32),),
    power=Value(0x000C, Kind.FLOAT32),
    import_energy=Value(0x0048, Kind.FLOAT32, 1000.0),
    export_energy=Value(0x004A, Kind.FLOAT32, 1000.0),
    largest_gap=0,
)
"""Register map."""
