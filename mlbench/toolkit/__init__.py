"""Building blocks for the authors of fast plugins: boosting of many labels, moments, row blocks."""
