"""From records to leaderboards, comparisons, plots and the report."""
