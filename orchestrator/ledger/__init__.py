"""What happened: events, the ledger that keeps them, the trial records they add up to."""
