"""What runs on a charger, and the virtual hardware and cars that stand in for the real ones."""
