"""Carlo Gavazzi EM340 (EM330, ET340).

Source: Carlo Gavazzi, EM330 EM340 ET330 ET340 communication protocol; addresses as in mbmd's carlogavazzi-ex3x0.go.
"""

from agents.grid_meter.registers import Kind, ModbusDriver, Value

DRIVER = ModbusDriver(
    title="Carlo Gavazzi EM340 (EM330, ET340, EM24 with Ethernet)",
    source="Carlo Gavazzi, EM330 EM340 ET330 ET340 communication protocol; as in mbmd's carlogavazzi-ex3x0.go",
    holding=False,
    currents=(Value(0x000C, Kind.INT32, 0.001), Value(0x000E, Kind.INT32, 0.001), Value(0x0010, Kind.INT32, 0.001)),
    voltages=(Value(0x0000, Kind.INT32, 0.1), Value(0x0002, Kind.INT32, 0.1), Value(0x0004, Kind.INT32, 0.1)),
    phase_powers=(Value(0x0012, Kind.INT32, 0.1), Value(0x0014, Kind.INT32, 0.1), Value(0x0016, Kind.INT32, 0.1)),
    power=Value(0x0028, Kind.INT32, 0.1),
    import_energy=Value(0x0034, Kind.INT32, 100.0),
    export_energy=Value(0x004E, Kind.INT32, 100.0),
    low_word_first=True,
)
"""Register map."""
