"""Chint DTSU666.

Source: Chint, DTSU666 user manual; addresses and scales as in mbmd's dtsu666.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Chint DTSU666",
    source="Chint, DTSU666 user manual; addresses and scales as in mbmd's dtsu666.go",
    holding=True,
    currents=(
        Value(0x200C, Kind.FLOAT32, 0.001),
        Value(0x200E, Kind.FLOAT32, 0.001),
        Value(0x2010, Kind.FLOAT32, 0.001),
    ),
    voltages=(Value(0x2000, Kind.FLOAT32, 0.1), Value(0x2002, Kind.FLOAT32, 0.1), Value(0x2004, Kind.FLOAT32, 0.1)),
    phase_powers=(Value(0x2014, Kind.FLOAT32, 0.1), Value(0x2016, Kind.FLOAT32, 0.1), Value(0x2018, Kind.FLOAT32, 0.1)),
    power=Value(0x2012, Kind.FLOAT32, 0.1),
    import_energy=Value(0x101E, Kind.FLOAT32, 1000.0),
    export_energy=Value(0x1028, Kind.FLOAT32, 1000.0),
)
"""Register map."""
