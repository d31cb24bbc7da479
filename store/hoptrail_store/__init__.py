"""What was seen, kept: one SQLite file a host, written by the milter and `hoptrail import`, read by the reports."""
