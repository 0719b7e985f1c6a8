"""The InfluxDB logger: everything with a measurement, into the time-series database, through a spool on disk."""

from agents.influx_logger.agent import InfluxLogger

__all__ = ["InfluxLogger"]
