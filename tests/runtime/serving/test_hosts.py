"""Under which names a server may be asked, and from which pages."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.serving.hosts import KnownHosts, refusal, same_origin, split_host


@pytest.mark.parametrize(
    ("bind", "host", "known"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST.:8080", True),
        ("127.0.0.1", "[::1]:8080", True),
        ("127.0.0.1", "console.local:8080", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "192.168.1.7", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost@evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "127.0.0.1:80:80", False),
        ("0.0.0.0", "192.168.1.7:8080", True),
        ("0.0.0.0", "[fe80::1]", True),
        ("0.0.0.0", "evil.example", False),
        ("::", "192.168.1.7", True),
        ("192.168.1.7", "192.168.1.7", True),
        ("192.168.1.7", "192.168.1.8", False),
        ("garage.lan", "garage.lan:80", True),
    ],
)
def test_by_which_names_a_server_may_be_asked(bind: str, host: str, known: bool) -> None:
    assert KnownHosts(bind, ["Console.local"]).know(host) is known


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://console.local:8080", "console.local:8080", True),
        ("http://console.local", "console.local:80", True),
        ("https://console.local", "console.local", True),
        ("http://CONSOLE.local:8080", "console.local:8080", True),
        ("http://console.local:8081", "console.local:8080", False),
        ("http://evil.example", "console.local:8080", False),
        ("http://console.local:8080.evil.example", "console.local:8080", False),
        ("null", "console.local", False),
        ("file://", "console.local", False),
        ("http://", "console.local", False),
        ("", "", False),
    ],
)
def test_a_page_is_of_the_server_or_foreign(origin: str, host: str, same: bool) -> None:
    assert same_origin(origin, host) is same


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_name_that_it_is_not(host: str) -> None:
    hosts = KnownHosts("127.0.0.1", ["console.local"])
    if hosts.know(host):
        parts = split_host(host)
        assert parts is not None and parts[0] in ("127.0.0.1", "localhost", "::1", "console.local")


@pytest.mark.parametrize(
    ("headers", "upgrade", "status"),
    [
        ({}, False, None),
        ({"host": "localhost"}, False, None),
        ({"host": "localhost", "origin": "http://localhost"}, True, None),
        ({"host": "localhost", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, False, None),
        ({"host": "localhost", "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, False, None),
        ({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False, None),
        ({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False, 403),
        ({"host": "localhost", "sec-fetch-site": "same-site", "sec-fetch-mode": "websocket"}, True, 403),
        ({"host": "localhost", "origin": "http://evil.example"}, False, 403),
        ({"host": "localhost", "origin": "null"}, False, 403),
        ({"origin": "http://localhost"}, False, 403),
        ({"host": "evil.example"}, False, 421),
    ],
)
def test_what_a_browser_may_not_ask(headers: dict[str, str], upgrade: bool, status: int | None) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    found = refusal(pairs, KnownHosts("127.0.0.1"), upgrade=upgrade)
    assert found is None if status is None else found is not None and found[0] == status


def test_a_header_that_decides_stands_once() -> None:
    twice = [(b"host", b"localhost"), (b"host", b"evil.example")]
    found = refusal(twice, KnownHosts("127.0.0.1"), upgrade=False)
    assert found is not None and found[0] is HTTPStatus.BAD_REQUEST
