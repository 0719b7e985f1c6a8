"""OCPP 1.6J: everything of the bridge that only this dialect knows."""
