"""The pages of a night: static HTML that needs no network, no server and no script."""
