"""What happened: events, the ledger that stores them, and trial records folded from them."""
