"""One tick at a time: the latest prices and the hours of the current session."""
