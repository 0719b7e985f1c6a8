"""OCPP 1.6J, seen from the central system. Nothing outside this folder knows the version."""
