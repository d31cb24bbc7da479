"""The daemon beside the MTA: records, traces, scores and stamps each passing message, and never stops mail."""
