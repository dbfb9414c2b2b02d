"""Who is due, and the frozen choice of papers that they get."""
