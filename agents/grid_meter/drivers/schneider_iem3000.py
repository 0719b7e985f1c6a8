"""Schneider iEM3000.

Source: Schneider Electric, DOCA0005DE-12, register list; addresses as in mbmd's iem3000.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Schneider iEM3000",
    source="Schneider Electric, DOCA0005DE-12, register list; addresses as in mbmd's iem3000.go",
    holding=True,
    currents=(Value(0x0BB7, Kind.FLOAT32), Value(0x0BB9, Kind.FLOAT32), Value(0x0BBB, Kind.FLOAT32)),
    voltages=(Value(0x0BD3, Kind.FLOAT32), Value(0x0BD5, Kind.FLOAT32), Value(0x0BD7, Kind.FLOAT32)),
    phase_powers=(
        Value(0x0BED, Kind.FLOAT32, 1000.0),
        Value(0x0BEF, Kind.FLOAT32, 1000.0),
        Value(0x0BF1, Kind.FLOAT32, 1000.0),
    ),
    power=Value(0x0BF3, Kind.FLOAT32, 1000.0),
    import_energy=Value(0x0C83, Kind.INT64),
    export_energy=Value(0x0C87, Kind.INT64),
)
"""Register map."""
