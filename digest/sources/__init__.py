"""Where papers come from: one module per service, all over one polite client."""
