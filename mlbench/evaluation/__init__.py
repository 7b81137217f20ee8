"""From stored scores to values: metrics, bootstrap replicates, intervals, curves, calibration; and their verification."""
