"""The ledger: the only room that speaks SQLite."""
