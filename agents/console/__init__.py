"""The operators' page: what every charger of the site does now, and why."""
