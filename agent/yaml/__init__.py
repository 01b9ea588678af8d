"""YAML as people type it: read with the place of each fault, and changed where it must be and nowhere else."""
