"""The site as it is configured: the tree of circuits, what they may carry and when."""
