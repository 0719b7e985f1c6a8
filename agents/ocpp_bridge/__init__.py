"""The OCPP bridge: every charger on the bus is a charge point to an OCPP backend."""
