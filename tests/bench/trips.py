"""Every trip path on MicroPython's unix port: cause, limit, and when coil and contacts were open, in virtual time.

``python -m tests.bench.trips`` prints the table; exit code 1 if one was late.
"""

import json
import sys
import tempfile

from tests.firmware.unix.program import micropython, run


def main() -> int:
    """Measure and print."""
    late = 0
    print("| cause | limit | from | coil off | contacts open |\n|---|---|---|---|---|")
    program = micropython()
    with tempfile.TemporaryDirectory() as folder:
        lines = run(program, "trips.py") + run(program, "app_trips.py", folder)
    for line in lines.splitlines():
        trip = json.loads(line)
        contacts = "never: welded" if trip["open_ms"] is None else f"{trip['open_ms']} ms"
        print("| {path} | {limit_ms} ms | {source} | {coil_ms} ms | ".format(**trip) + f"{contacts} |")
        late += trip["coil_ms"] is None or trip["coil_ms"] > trip["limit_ms"] + 1
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
