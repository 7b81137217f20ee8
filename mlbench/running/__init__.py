"""Running: from jobs to records in the ledger."""
