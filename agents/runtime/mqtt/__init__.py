"""The bus as a real MQTT connection: client, options, certificate, what may go wrong; the embedded broker."""
