"""Which papers for whom, and why: arrays in, arrays out."""
