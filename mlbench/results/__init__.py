"""What is kept of finished jobs: typed records, the ledger that holds them, and how ledgers are merged."""
