"""The pages, one file each, and the list of them."""

from dashboards.boards import agents, balancing, charger, fleet, ocpp, overview, sessions
from dashboards.dashboard import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    overview.DASHBOARD,
    charger.DASHBOARD,
    sessions.DASHBOARD,
    fleet.DASHBOARD,
    balancing.DASHBOARD,
    agents.DASHBOARD,
    ocpp.DASHBOARD,
)
"""Every page. A new one is one file here and one line."""
