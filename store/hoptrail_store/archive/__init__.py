"""The archive of closed days: Parquet below `date=/host=/part=/`, for one host or a fleet on shared storage."""
