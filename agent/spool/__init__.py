"""The print room: one worker per printer, and what to do when in doubt."""
