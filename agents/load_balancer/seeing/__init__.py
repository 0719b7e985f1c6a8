"""What chargers and meters have said lately."""
