"""Dashboards and alert rules on a Grafana server."""
