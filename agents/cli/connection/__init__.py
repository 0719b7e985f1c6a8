"""The technician's connection to the bus: which site, which login, how it fails."""
