"""What the tests of recovery borrow: the command line in this process, and a site on a real broker."""

from tests.cli.conftest import bare
from tests.integration.conftest import ear, start_agent, start_charger

__all__ = ["bare", "ear", "start_agent", "start_charger"]
