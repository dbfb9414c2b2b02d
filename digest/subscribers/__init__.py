"""People known by one address: their states, links, preferences and suppressions."""
