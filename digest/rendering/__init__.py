"""A frozen edition becomes the bytes of a mail."""
