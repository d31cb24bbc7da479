"""What is wrong with the ways of the mail: detectors over some weeks of daily figures (docs/anomalies.md)."""
