"""What the tests of an upgrade share."""

from tests.cli.conftest import bare

__all__ = ["bare"]
