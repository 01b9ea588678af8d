"""The pass: an order becomes one ticket per station."""
