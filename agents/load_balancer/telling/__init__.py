"""What the bus is told: decisions, alarms, commands."""
