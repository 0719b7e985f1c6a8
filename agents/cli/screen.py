"""Printing for people: tables and colours on a terminal, plain lines into a pipe."""

import sys

from rich.console import Console, RenderableType

PIPE_WIDTH = 160
"""Columns when the output is no terminal: wide enough that a table keeps its rows on one line."""


def console() -> Console:
    """Return a console on standard output."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


def print_for_people(what: RenderableType) -> None:
    """Print it."""
    console().print(what)
