"""The connection to a meter over Modbus TCP, or over a serial line in Modbus RTU."""

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from agents.grid_meter.measured import Measured, MeterUnreachable
from agents.grid_meter.registers import ModbusDriver, blocks, measured
from agents.grid_meter.settings import MeterSettings


class ModbusLink:
    """Reads all values of one meter; connects when it must."""

    def __init__(self, driver: ModbusDriver, settings: MeterSettings) -> None:
        """Connect at the first reading."""
        self._driver = driver
        self._settings = settings
        self._blocks = blocks(driver.values(), driver.largest_gap)
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None

    async def read(self) -> Measured:
        """Return what the meter measures. Raises :class:`MeterUnreachable`, and is then disconnected."""
        try:
            words = await self._read()
        except (ModbusException, OSError) as error:
            self._disconnect()
            raise MeterUnreachable(
                f"no answer from unit {self._settings.unit} at {self._where}: check cable, address and unit ({error})"
            ) from None
        return measured(self._driver, words, self._settings.words_swapped)

    async def close(self) -> None:
        """Disconnect."""
        self._disconnect()

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def _where(self) -> str:
        settings = self._settings
        return settings.serial or f"{settings.host}:{settings.port or 502}"

    def _new_client(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        settings = self._settings
        if settings.serial is not None:
            return AsyncModbusSerialClient(
                settings.serial,
                baudrate=settings.baud,
                parity=settings.parity[0].upper(),
                timeout=settings.timeout_s,
                retries=0,
                reconnect_delay=0,
            )
        return AsyncModbusTcpClient(
            settings.host or "", port=settings.port or 502, timeout=settings.timeout_s, retries=0, reconnect_delay=0
        )

    async def _read(self) -> dict[int, int]:
        settings = self._settings
        client = self._client
        if client is None or not client.connected:
            self._disconnect()
            client = self._client = self._new_client()
            if not await client.connect():
                self._disconnect()
                what = "the device file and its rights" if settings.serial else "host, port and network"
                raise MeterUnreachable(f"cannot connect to {self._where}: check {what}")
        ask = client.read_holding_registers if self._driver.holding else client.read_input_registers
        words: dict[int, int] = {}
        for address, count in self._blocks:
            answer = await ask(address, count=count, device_id=settings.unit)
            if answer.isError() or len(answer.registers) != count:
                self._disconnect()
                raise MeterUnreachable(
                    f"unit {settings.unit} at {self._where} refuses registers {address} to {address + count - 1}: "
                    "another device answers, or the driver is the wrong one"
                )
            words.update(enumerate(answer.registers, address))
        return words
