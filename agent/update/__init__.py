"""The box brings itself up to date: one version steps down for the next, and comes back where that one is not well."""
