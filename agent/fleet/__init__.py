"""The fleet: what all boxes say of themselves, for those who look after many shops."""
