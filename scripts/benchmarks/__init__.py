"""Benchmarks: the agent beside the scripts that a shop would run instead. Only ratios within one run mean something."""
