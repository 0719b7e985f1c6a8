"""The connection to a meter that answers JSON over HTTP."""

from typing import Any

import httpx

from agents.grid_meter.json_values import HttpDriver, measured
from agents.grid_meter.measured import Measured, MeterUnreachable
from agents.grid_meter.settings import MeterSettings
from bus_schema.json_text import NotJson, read_json

MOST_BYTES = 256 * 1024
"""A longer answer is not a meter's."""


class HttpLink:
    """Fetches all answers of one meter."""

    def __init__(self, driver: HttpDriver, settings: MeterSettings) -> None:
        """Connect at the first reading."""
        self._driver = driver
        self._where = f"http://{settings.host}:{settings.port or 80}"
        self._settings = settings
        self._client: httpx.AsyncClient | None = None

    async def read(self) -> Measured:
        """Return what the meter measures. Raises :class:`MeterUnreachable`."""
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._settings.timeout_s, auth=_auth(self._settings))
        # One after the other: small devices serve one question at a time.
        documents = [await self._fetch(self._client, path) for path in self._driver.paths]
        return measured(self._driver, documents)

    async def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.aclose()

    async def _fetch(self, client: httpx.AsyncClient, path: str) -> Any:
        try:
            async with client.stream("GET", self._where + path) as response:
                if response.status_code == httpx.codes.UNAUTHORIZED:
                    raise MeterUnreachable(f"{self._where} wants a password: set user and password_file")
                if response.status_code != httpx.codes.OK:
                    raise MeterUnreachable(f"{self._where}{path} answers {response.status_code}: check host and driver")
                text = bytearray()
                async for piece in response.aiter_bytes():
                    text += piece
                    if len(text) > MOST_BYTES:
                        raise MeterUnreachable(f"{self._where}{path} answers more than {MOST_BYTES // 1024} KiB")
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise MeterUnreachable(f"no answer from {self._where}: check host, port and network ({reason})") from None
        return _json(bytes(text), f"{self._where}{path}")


def _auth(settings: MeterSettings) -> httpx.Auth | None:
    if settings.password_file is None:
        return None
    try:
        password = settings.password_file.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise MeterUnreachable(f"the password cannot be read from {settings.password_file}: {error}") from None
    return httpx.DigestAuth(settings.user, password)


def _json(text: bytes, where: str) -> Any:
    try:
        return read_json(text)
    except NotJson:
        raise MeterUnreachable(f"{where} answers something that is not JSON: check host and driver") from None
