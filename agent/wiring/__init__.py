"""Rooms that belong together, wired for themselves: what prints, and the line to the cloud. agent/app.py joins them."""
