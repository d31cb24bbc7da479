"""One module for each command; each exposes `command`."""
