"""Multi-label data: how they are represented, read, split and cached."""
