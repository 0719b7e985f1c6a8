"""The InfluxDB logger: everything with a measurement, into the time-series database, through a spool on disk."""
