"""What a site looks like, and what it has recorded."""
