"""Janitza UMG 96 and 604 families, B series.

Source: Janitza, Modbus address list from 19000; addresses as in mbmd's janitza.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Janitza UMG 96 and 604 families, B series",
    source="Janitza, Modbus address list from 19000; addresses as in mbmd's janitza.go",
    holding=True,
    currents=(Value(0x4A44, Kind.FLOAT32), Value(0x4A46, Kind.FLOAT32), Value(0x4A48, Kind.FLOAT32)),
    voltages=(Value(0x4A38, Kind.FLOAT32), Value(0x4A3A, Kind.FLOAT32), Value(0x4A3C, Kind.FLOAT32)),
    phase_powers=(Value(0x4A4C, Kind.FLOAT32), Value(0x4A4E, Kind.FLOAT32), Value(0x4A50, Kind.FLOAT32)),
    power=Value(0x4A52, Kind.FLOAT32),
    import_energy=Value(0x4A7C, Kind.FLOAT32),
    export_energy=Value(0x4A84, Kind.FLOAT32),
)
"""Register map."""
