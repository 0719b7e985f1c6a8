"""Real databases take what the real clients write; and every way in which one can fail is understood."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.influx_logger.answers import Answer, BlockingWrite, Fate
from agents.influx_logger.databases import open_database
from agents.influx_logger.lines import LineWriter
from agents.influx_logger.settings import InfluxLoggerSettings
from agents.runtime.agent import CannotStart
from bus_schema import influx
from bus_schema.examples import EXAMPLES
from tests.influx_logger.scripted_server import ScriptedServer
from tests.influx_logger.test_lines import received
from tests.time_series import InfluxServer, VictoriaMetrics, WriteProxy

ALL = [(topic, message) for topic, message in EXAMPLES if topic.measurement]
"""One example at least of everything that becomes a point."""


def all_lines() -> str:
    writer = LineWriter()
    return "\n".join(filter(None, (writer.line(received(topic, message)) for topic, message in ALL)))


@pytest.fixture
def opened() -> Iterator[Callable[..., BlockingWrite]]:
    closers = []

    def open_it(**settings: object) -> BlockingWrite:
        write, close = open_database(InfluxLoggerSettings.model_validate(settings))
        closers.append(close)
        return write

    yield open_it
    for close in closers:
        close()


@pytest.fixture
def influx_server(tmp_path: Path) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path)
    server.start()
    server.query('CREATE DATABASE "chargebus"')
    yield server
    server.kill()


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_influxdb_has_every_field_with_the_type_of_the_contract(
    influx_server: InfluxServer, opened: Callable[..., BlockingWrite], api: str
) -> None:
    proxy = WriteProxy(influx_server.url)
    write = opened(api=api, url=influx_server.url if api == "v1" else proxy.url)
    assert write(all_lines()) == write(all_lines()) == Answer(Fate.TAKEN), "twice changes nothing"
    for shape in influx.measurements():
        (series,) = influx_server.query(f'SHOW FIELD KEYS FROM "{shape.name}"')
        types = {name: kind for name, kind in series["values"]}
        assert types.items() <= shape.fields.items()
        (tags,) = influx_server.query(f'SHOW TAG KEYS FROM "{shape.name}"')
        assert sorted(name for (name,) in tags["values"]) == sorted(shape.tags)
        first = next(iter(types))
        examples = [influx.point(received(t, m).address, m) for t, m in ALL if t.measurement == shape.name]
        assert influx_server.points(shape.name, first) == sum(first in fields for _, fields in examples)
    if api == "v2":
        assert all(request.startswith("/api/v2/write?org=chargebus&bucket=chargebus") for request in proxy.requests)
    proxy.stop()


def test_influxdb_refuses_another_type_with_its_words(
    influx_server: InfluxServer, opened: Callable[..., BlockingWrite]
) -> None:
    write = opened(api="v1", url=influx_server.url)
    assert write("m,site=s f=1i 1").fate is Fate.TAKEN
    answer = write("m,site=s f=1.5 2\nm,site=s g=1i 2")
    assert answer.fate is Fate.REFUSED
    assert "field type conflict" in answer.reason
    assert write("m,site=s").fate is Fate.REFUSED
    missing = opened(api="v1", url=influx_server.url, bucket="nothing")("m f=1 1")
    assert (missing.fate, "database not found" in missing.reason) == (Fate.NEVER, True)


def test_influxdb_says_what_is_older_than_it_keeps(
    influx_server: InfluxServer, opened: Callable[..., BlockingWrite]
) -> None:
    influx_server.query('CREATE DATABASE "short" WITH DURATION 1h')
    answer = opened(api="v1", url=influx_server.url, bucket="short")("m f=1 1000")
    assert answer.fate is Fate.EXPIRED, answer


def test_victoria_metrics_takes_all_lines(tmp_path: Path, opened: Callable[..., BlockingWrite]) -> None:
    server = VictoriaMetrics(tmp_path)
    server.start()
    try:
        assert opened(url=server.url)(all_lines()).fate is Fate.TAKEN
        (series,) = server.export('telemetry_power_w{charger="c1"}')
        assert series["values"] == [6140.0]
    finally:
        server.kill()


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_a_request_is_compressed_and_carries_the_token(
    tmp_path: Path, opened: Callable[..., BlockingWrite], api: str
) -> None:
    (tmp_path / "token").write_text("me:secret\nsecond line\n")
    with ScriptedServer(204) as server:
        assert opened(url=server.url, api=api, token_file=str(tmp_path / "token"))("m f=1 1").fate is Fate.TAKEN
    (request,) = server.requests
    assert gzip.decompress(request.body) == b"m f=1 1"
    assert request.headers["Authorization"] == ("Basic bWU6c2VjcmV0" if api == "v1" else "Token me:secret")


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize(
    ("status", "fate"),
    [(204, Fate.TAKEN), (400, Fate.REFUSED), (401, Fate.NEVER), (404, Fate.NEVER), (413, Fate.TOO_LARGE),
     (429, Fate.LATER), (500, Fate.LATER), (503, Fate.LATER)],
)  # fmt: skip
def test_every_answer_is_understood(opened: Callable[..., BlockingWrite], api: str, status: int, fate: Fate) -> None:
    with ScriptedServer(status, '{"message": "too bad"}', {"Retry-After": "9"}) as server:
        answer = opened(url=server.url, api=api)("m f=1 1")
    assert answer.fate is fate
    if fate is Fate.LATER:
        assert answer.retry_after_s == 9
    if fate is not Fate.TAKEN:
        assert "too bad" in answer.reason


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize("how", ["close", "stall", "garbage"])
def test_a_server_that_does_not_answer_properly_is_tried_later(
    opened: Callable[..., BlockingWrite], api: str, how: str
) -> None:
    with ScriptedServer(204, how=how) as server:
        answer = opened(url=server.url, api=api, timeout_s=1)("m f=1 1")
    assert answer.fate is Fate.LATER, answer
    assert "127.0.0.1" in answer.reason


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_no_server_at_all_is_tried_later(opened: Callable[..., BlockingWrite], api: str) -> None:
    with ScriptedServer(204) as server:
        url = server.url
    assert opened(url=url, api=api, timeout_s=1)("m f=1 1").fate is Fate.LATER


def test_a_token_that_cannot_be_read_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"token_file: cannot read .*No such file"):
        open_database(InfluxLoggerSettings(url="http://db", token_file=tmp_path / "none"))
