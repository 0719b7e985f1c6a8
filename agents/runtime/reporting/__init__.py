"""What an agent tells of itself: health, metrics, logs, and the alarms that every agent may have."""
