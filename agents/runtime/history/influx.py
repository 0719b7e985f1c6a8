"""The history in InfluxDB, asked over HTTP in InfluxQL: ``/query`` of 1.x, which 2.x and 3 have too."""

from typing import Self

import urllib3

from agents.runtime.history.influxql import influxql, read_answer
from agents.runtime.history.query import HistoryQuery, HistoryUnavailable, Series
from agents.runtime.history.settings import HistorySource
from bus_schema.json_text import read_json


class InfluxHistory:
    """Answers from an InfluxDB."""

    def __init__(self, source: HistorySource) -> None:
        """Ask ``source``, which has a URL; nothing is connected yet. Raises :class:`OSError` for the token's file."""
        self._source = source
        self._pool = urllib3.PoolManager(
            ca_certs=None if source.ca_file is None else str(source.ca_file),
            timeout=source.timeout_s,
            retries=False,
            maxsize=1,
        )
        token = source.token()
        self._headers: dict[str, str] = {}
        if token is not None:
            basic = source.api == "v1"
            self._headers = urllib3.make_headers(basic_auth=token) if basic else {"Authorization": f"Token {token}"}

    def series(self, query: HistoryQuery) -> list[Series]:
        """Return what there is. Raises :class:`QueryError` and :class:`HistoryUnavailable`."""
        shape = query.checked()
        address = f"{(self._source.url or '').rstrip('/')}/query"
        fields = {"db": self._source.bucket, "q": influxql(query), "epoch": "ms"}
        try:
            answer = self._pool.request_encode_body(
                "POST", address, fields=fields, headers=self._headers, encode_multipart=False
            )
            body = answer.data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise HistoryUnavailable(f"{self._source.url} cannot be reached: {type(error).__name__}") from error
        if answer.status != 200:
            words = " ".join(body.decode("utf-8", "replace").split())[:300]
            raise HistoryUnavailable(f"{self._source.url} answers {answer.status}: {words}")
        try:
            return read_answer(query, shape, read_json(body))
        except ValueError as error:
            raise HistoryUnavailable(f"{self._source.url} answers something else than JSON") from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
