"""Leaderboards, comparisons, plots and the report, all made from records."""
