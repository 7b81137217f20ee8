"""Results of finished jobs: typed records, the ledger that stores them, and merging of ledgers."""
