"""The map of relays: links aggregated, rows, colours, and the page that draws them."""
