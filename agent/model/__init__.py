"""The nouns: frozen, without I/O, importing nothing above them."""
