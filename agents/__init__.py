"""The agents of a site, the runtime they share, and the command line."""
