"""Random input for everything that reads what others wrote: `scripts/fuzz`."""
