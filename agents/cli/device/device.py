"""A charger at a serial port, by MicroPython's raw REPL through mpremote."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from agents.cli.exits import CliError, ExitCode
from bus_schema.json_text import NotJson, read_json

PIECE_BYTES = 1024
"""So much of a file goes over the line at a time: the chip's heap is small."""


ANSWER_S = 10.0
"""Longest wait for MicroPython's prompt."""

READ_S = 2.0
"""Longest wait for a single answer to a byte."""


class Device(Protocol):
    """What installing and provisioning need of a charger at a cable."""

    def run(self, script: str) -> Any:
        """Run Python on the device; return the JSON that it prints last. Raises :class:`CliError`."""

    def write(self, path: str, data: bytes) -> None:
        """Replace a file as a whole, and make its folders. Raises :class:`CliError`."""

    def reset(self) -> None:
        """Restart the device, which then runs its main.py."""


class SerialDevice:
    """The real one."""

    def __init__(self, transport: SerialTransport) -> None:
        """Take a transport in the raw REPL."""
        self._transport = transport

    def run(self, script: str) -> Any:
        """Run Python on the device; return the JSON that it prints last."""
        said = self._exec(script).decode("utf-8", "replace").strip()
        if not said:
            return None
        try:
            return read_json(said.splitlines()[-1])
        except NotJson:
            raise CliError(
                ExitCode.FAILED, f"the device answers something else than it should: {said[-200:]}"
            ) from None

    def write(self, path: str, data: bytes) -> None:
        """Replace a file as a whole: written beside it first, so that a pulled cable leaves the old one."""
        self._exec(f"{_MAKE_FOLDERS}\nmake_folders({path!r})\nfile = open({path + '.new'!r}, 'wb')")
        for at in range(0, len(data), PIECE_BYTES):
            self._exec(f"file.write({data[at : at + PIECE_BYTES]!r})")
        self._exec(f"file.close()\nimport os\nos.rename({path + '.new'!r}, {path!r})")

    def reset(self) -> None:
        """Restart."""
        # The answer is lost with the restart.
        with contextlib.suppress(TransportError, OSError):
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")

    def _exec(self, script: str) -> bytes:
        try:
            result: bytes = self._transport.exec(script)
        except TransportExecError as error:
            last = error.error_output.strip().splitlines()[-1:] or ["no traceback"]
            raise CliError(ExitCode.FAILED, f"the device refuses: {last[0]}") from None
        except (TransportError, OSError) as error:
            raise CliError(ExitCode.UNREACHABLE, f"the device is gone: {error}") from None
        return result


_MAKE_FOLDERS = """
def make_folders(path):
    import os
    parts = path.split("/")[1:-1]
    folder = ""
    for part in parts:
        folder += "/" + part
        try:
            os.mkdir(folder)
        except OSError as error:
            if error.args[0] != 17:
                raise
"""


@contextmanager
def at_port(port: str) -> Iterator[SerialDevice]:
    """Stop what runs on the device at ``port`` and talk to it. Raises :class:`CliError` in words."""
    noise = io.StringIO()
    try:
        transport = SerialTransport(port, baudrate=115_200, timeout=READ_S)
    except (TransportError, OSError, ValueError) as error:
        raise CliError(ExitCode.UNREACHABLE, f"cannot open {port}: {error}") from None
    try:
        try:
            # mpremote prints what it cannot understand.
            with contextlib.redirect_stdout(noise):
                transport.enter_raw_repl(soft_reset=False, timeout_overall=ANSWER_S)
        except (TransportError, OSError) as error:
            raise CliError(
                ExitCode.UNREACHABLE, f"nothing at {port} answers as MicroPython does ({error}); is it the right port?"
            ) from None
        yield SerialDevice(transport)
        with contextlib.suppress(TransportError, OSError):
            transport.exit_raw_repl()
    finally:
        with contextlib.suppress(OSError):
            transport.close()
