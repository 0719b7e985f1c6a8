"""Printing for people: tables and colours on a terminal, plain lines into a pipe."""

import sys
from collections.abc import Collection

from rich.console import Console, RenderableType
from rich.table import Table

PIPE_WIDTH = 160
"""Columns when the output is no terminal: wide enough that a table keeps its rows on one line."""


def console() -> Console:
    """Return a console on standard output."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, soft_wrap=False)


def plain_table(*headings: str, right: Collection[str] = ()) -> Table:
    """Return a table without lines; what stands under the headings in ``right`` is aligned at its end."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def print_for_people(what: RenderableType) -> None:
    """Print it."""
    console().print(what)
