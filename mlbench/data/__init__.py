"""Data: what multi-label data are, how they are read, split and cached."""
