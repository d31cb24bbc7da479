"""The `hoptrail` command and its one TOML configuration; the only package that knows all the others."""
