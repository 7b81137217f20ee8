"""Checks that plugin authors run on their specs."""
