"""Siemens PAC2200.

Source: Siemens, PAC2200 manual, list of Modbus registers; addresses as in mbmd's pac2200.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Siemens PAC2200",
    source="Siemens, PAC2200 manual, list of Modbus registers; addresses as in mbmd's pac2200.go",
    holding=False,
    currents=(Value(0x000D, Kind.FLOAT32), Value(0x000F, Kind.FLOAT32), Value(0x0011, Kind.FLOAT32)),
    voltages=(Value(0x0001, Kind.FLOAT32), Value(0x0003, Kind.FLOAT32), Value(0x0005, Kind.FLOAT32)),
    phase_powers=(Value(0x0019, Kind.FLOAT32), Value(0x001B, Kind.FLOAT32), Value(0x001D, Kind.FLOAT32)),
    power=Value(0x0041, Kind.FLOAT32),
    import_energy=Value(0x0321, Kind.FLOAT64),
    export_energy=Value(0x0329, Kind.FLOAT64),
)
"""Register map."""
