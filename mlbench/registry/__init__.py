"""The registry: what plugins yield, and how they are found."""
