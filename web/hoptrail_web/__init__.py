"""The review page: an admin goes through last night's drafts in a browser, on this host only."""
