"""shop-agent: a shop's online orders, on paper, exactly once or marked."""

__version__ = "0.1.0"
