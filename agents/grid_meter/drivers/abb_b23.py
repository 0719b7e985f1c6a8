"""ABB B23 (A and B series).

Source: ABB, B-series user manual, mapping tables; addresses as in mbmd's abb.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="ABB B23 (A and B series)",
    source="ABB, B-series user manual, mapping tables; addresses as in mbmd's abb.go",
    holding=True,
    currents=(Value(0x5B0C, Kind.UINT32, 0.01), Value(0x5B0E, Kind.UINT32, 0.01), Value(0x5B10, Kind.UINT32, 0.01)),
    voltages=(Value(0x5B00, Kind.UINT32, 0.1), Value(0x5B02, Kind.UINT32, 0.1), Value(0x5B04, Kind.UINT32, 0.1)),
    phase_powers=(Value(0x5B16, Kind.INT32, 0.01), Value(0x5B18, Kind.INT32, 0.01), Value(0x5B1A, Kind.INT32, 0.01)),
    power=Value(0x5B14, Kind.INT32, 0.01),
    import_energy=Value(0x5000, Kind.UINT64, 10.0),
    export_energy=Value(0x5004, Kind.UINT64, 10.0),
)
"""Register map."""
