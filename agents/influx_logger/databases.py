"""The databases that can be written to: one function of lines each. They block, and run on a thread."""

import gzip
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService

from agents.influx_logger.answers import Answer, BlockingWrite, Fate, understand
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.runtime.agent import CannotStart

GZIP_LEVEL = 1
"""Line protocol shrinks to a tenth even so. influxdb-client's own, 9, takes a tenth off that and ten times as long."""

TEXT = "text/plain; charset=utf-8"


def open_database(settings: InfluxLoggerSettings) -> tuple[BlockingWrite, Callable[[], None]]:
    """Return what writes to the configured database, and what closes it. Nothing is connected yet.

    Raises :class:`CannotStart` for a token file that cannot be read.
    """
    token = _token(settings)
    return _open_v1(settings, token) if settings.api == "v1" else _open_v2(settings, token)


def _open_v2(settings: InfluxLoggerSettings, token: str | None) -> tuple[BlockingWrite, Callable[[], None]]:
    client = InfluxDBClient(
        url=settings.url or "",
        # VictoriaMetrics and an InfluxDB without authentication take any.
        token=token or "",
        org=settings.org,
        timeout=settings.timeout_s * 1000,
        ssl_ca_cert=None if settings.ca_file is None else str(settings.ca_file),
        # Its own retries would hide what the database says; the spool is what tries again.
        retries=False,
    )
    service: Any = WriteService(client.api_client)  # type: ignore[no-untyped-call]

    def write(lines: str) -> Answer:
        try:
            service.post_write(
                settings.org,
                settings.bucket,
                gzip.compress(lines.encode(), GZIP_LEVEL),
                content_encoding="gzip",
                content_type=TEXT,
            )
        except ApiException as error:
            return understand(error.status or 0, _text(error.body), error.headers or {})
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _unreachable(settings, error)
        return Answer(Fate.TAKEN)

    return write, client.close


def _open_v1(settings: InfluxLoggerSettings, token: str | None) -> tuple[BlockingWrite, Callable[[], None]]:
    pool = urllib3.PoolManager(
        ca_certs=None if settings.ca_file is None else str(settings.ca_file),
        timeout=settings.timeout_s,
        retries=False,
        maxsize=1,
    )
    headers = {"Content-Encoding": "gzip", "Content-Type": TEXT}
    if token is not None:
        headers |= urllib3.make_headers(basic_auth=token)
    query = urlencode({"db": settings.bucket, "precision": "ns"})
    address = f"{(settings.url or '').rstrip('/')}/write?{query}"

    def write(lines: str) -> Answer:
        try:
            answer = pool.request("POST", address, body=gzip.compress(lines.encode(), GZIP_LEVEL), headers=headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _unreachable(settings, error)
        return understand(answer.status, _text(answer.data), answer.headers)

    return write, pool.clear


def _unreachable(settings: InfluxLoggerSettings, error: Exception) -> Answer:
    return Answer(Fate.LATER, f"{settings.url} cannot be reached: {type(error).__name__}")


def _text(body: bytes | str | None) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""


def _token(settings: InfluxLoggerSettings) -> str | None:
    try:
        return settings.token()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise CannotStart(f"[influx_logger] token_file: cannot read {settings.token_file}: {reason}") from None
