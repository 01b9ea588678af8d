"""The loading dock: links to printers, and the confirmed print over any link."""
