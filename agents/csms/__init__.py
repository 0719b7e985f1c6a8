"""The embedded OCPP central system: stations of any make appear on the bus as chargers (design, "Agents")."""
