"""Eastron SDM630 and SDM72D-M-2.

Source: Eastron, SDM630 Modbus protocol; addresses as in mbmd's sdm.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Eastron SDM630 and SDM72D-M-2",
    source="Eastron, SDM630 Modbus protocol; addresses as in mbmd's sdm.go",
    holding=False,
    currents=(Value(0x0006, Kind.FLOAT32), Value(0x0008, Kind.FLOAT32), Value(0x000A, Kind.FLOAT32)),
    voltages=(Value(0x0000, Kind.FLOAT32), Value(0x0002, Kind.FLOAT32), Value(0x0004, Kind.FLOAT32)),
    phase_powers=(Value(0x000C, Kind.FLOAT32), Value(0x000E, Kind.FLOAT32), Value(0x0010, Kind.FLOAT32)),
    power=Value(0x0034, Kind.FLOAT32),
    import_energy=Value(0x0048, Kind.FLOAT32, 1000.0),
    export_energy=Value(0x004A, Kind.FLOAT32, 1000.0),
)
"""Register map."""
