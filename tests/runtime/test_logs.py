"""Logs are JSON for programs and text for people; libraries are written the same way."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from agents.runtime.configuration.site_config import LogSettings
from agents.runtime.reporting.logs import set_up_logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = handlers, level
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_where_nobody_looks() -> None:
    stream = io.StringIO()
    set_up_logs(LogSettings(), stream)
    log = structlog.get_logger().bind(agent="ledger")
    log.debug("hidden")
    log.info("connected", broker="h:1")
    logging.getLogger("library").warning("something is %s", "odd")
    logging.getLogger("library").info("hidden")
    try:
        raise ValueError("oh")
    except ValueError:
        log.exception("handler_failed")
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [entry["event"] for entry in entries] == ["connected", "something is odd", "handler_failed"]
    assert entries[0]["agent"] == "ledger"
    assert entries[0]["level"] == "info"
    assert entries[0]["timestamp"].endswith("Z")
    assert entries[2]["exception"][0]["exc_type"] == "ValueError"


def test_text_on_a_terminal_unless_told_otherwise() -> None:
    stream = Terminal()
    set_up_logs(LogSettings(), stream)
    structlog.get_logger().info("connected", broker="h:1")
    assert "connected" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    stream = Terminal()
    set_up_logs(LogSettings(format="json", level="error"), stream)
    structlog.get_logger().warning("hidden")
    structlog.get_logger().error("shown")
    assert json.loads(stream.getvalue())["event"] == "shown"


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_shows_no_values(form: str) -> None:
    stream = io.StringIO()
    set_up_logs(LogSettings(format=form), stream)
    password = "hunter" + "2"
    try:
        raise ValueError(f"wrong password of {len(password)} characters")
    except ValueError:
        structlog.get_logger().exception("crashed")
    assert "ValueError" in stream.getvalue()
    assert password not in stream.getvalue()
