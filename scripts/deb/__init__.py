"""Builds the Debian package: scripts/build-deb."""
