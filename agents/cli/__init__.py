"""``chargebus``, the technician's command line. ``agents.cli.main`` holds the entry point."""
