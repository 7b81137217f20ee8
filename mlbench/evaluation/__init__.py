"""From stored scores to values: metrics, replicates, intervals, curves, calibration, and their verification."""
