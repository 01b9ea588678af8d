"""Upstairs: what the cloud is told."""
