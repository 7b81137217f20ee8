"""Ranking: from records to leaderboards."""
