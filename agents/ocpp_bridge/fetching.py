"""Fetches a file over HTTP(S): a firmware image whose signature is to be checked before a charger is told of it."""

import asyncio
import urllib.error
import urllib.request
from typing import Protocol

TIMEOUT_S = 60.0
MAX_BYTES = 16 * 1024 * 1024
"""Longest file; a charger's image has at most 4 MiB."""


class FetchFailed(Exception):
    """The file could not be fetched; the text says why."""


class Fetcher(Protocol):
    """Fetches files."""

    async def fetch(self, url: str) -> bytes:
        """Return the file. Raises :class:`FetchFailed`."""


class HttpFetcher:
    """Python's own HTTP client, on a thread."""

    async def fetch(self, url: str) -> bytes:
        """Return the file. Raises :class:`FetchFailed`."""
        return await asyncio.to_thread(_fetch, url)


def _fetch(url: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise FetchFailed("only http and https are fetched from")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            data: bytes = response.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise FetchFailed(f"HTTP status {error.code}") from None
    except (OSError, ValueError) as error:
        raise FetchFailed(str(error)[:200]) from None
    if len(data) > MAX_BYTES:
        raise FetchFailed(f"longer than {MAX_BYTES} bytes")
    return data
