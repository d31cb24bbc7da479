"""The nightly jobs: the map of relays and the drafts of abuse reports."""
