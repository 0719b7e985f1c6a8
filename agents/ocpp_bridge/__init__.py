"""The OCPP bridge: every charger on the bus is a charge point to an OCPP backend."""

from agents.ocpp_bridge.agent import OcppBridge

__all__ = ["OcppBridge"]
