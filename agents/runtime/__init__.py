"""What all agents share: configuration, bus client, routing, store, health, metrics and the process around them.

``agent`` says what an agent is; everything else is imported from its own module.
"""
