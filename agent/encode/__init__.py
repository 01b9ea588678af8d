"""The typesetter: a Layout becomes rows, and rows become bytes."""
