"""The connection to a meter over Modbus TCP."""

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from agents.grid_meter.registers import ModbusDriver, blocks
from agents.grid_meter.settings import MeterSettings


class MeterUnreachable(Exception):
    """The meter gave no answer that can be used; the text says what to look at."""


class ModbusLink:
    """Reads all values of one meter; connects when it must."""

    def __init__(self, driver: ModbusDriver, settings: MeterSettings) -> None:
        """Connect at the first reading."""
        self._driver = driver
        self._settings = settings
        self._blocks = blocks(driver.values())
        self._client: AsyncModbusTcpClient | None = None

    async def read(self) -> dict[int, int]:
        """Return the registers by address. Raises :class:`MeterUnreachable`, and is then disconnected."""
        try:
            return await self._read()
        except (ModbusException, OSError) as error:
            self.close()
            raise MeterUnreachable(
                f"no answer from unit {self._settings.unit} at {self._where}: check cable, address and unit ({error})"
            ) from None

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    async def _read(self) -> dict[int, int]:
        settings = self._settings
        if self._client is None or not self._client.connected:
            self.close()
            self._client = AsyncModbusTcpClient(
                settings.host, port=settings.port, timeout=settings.timeout_s, retries=0, reconnect_delay=0
            )
            if not await self._client.connect():
                self.close()
                raise MeterUnreachable(f"cannot connect to {self._where}: check host, port and network")
        ask = self._client.read_holding_registers if self._driver.holding else self._client.read_input_registers
        words: dict[int, int] = {}
        for address, count in self._blocks:
            answer = await ask(address, count=count, device_id=settings.unit)
            if answer.isError() or len(answer.registers) != count:
                self.close()
                raise MeterUnreachable(
                    f"unit {settings.unit} at {self._where} refuses registers {address} to {address + count - 1}: "
                    "another device answers, or the driver is the wrong one"
                )
            words.update(enumerate(answer.registers, address))
        return words
