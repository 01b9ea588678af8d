"""The agent's own port: orders from the shop's own network, its health, its figures. Prints nothing itself."""
