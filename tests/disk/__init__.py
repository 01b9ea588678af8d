"""A disk that counts, fails and forgets, under the journal's own SQLite: see disk.py."""
