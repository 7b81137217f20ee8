"""What plugins yield, and how they are found."""
