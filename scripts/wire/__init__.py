"""The wire, described for integrators: docs/protocol is made of this, and this of the code."""
