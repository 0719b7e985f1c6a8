"""Images for a Docker engine that can pull none, made out of the programs that are installed on this machine."""
