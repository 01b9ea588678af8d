"""The broker matrix: what each broker really does with our sessions, and what the agent makes of it on paper.

`scripts/matrix` runs it by hand and writes docs/brokers.md; tests/test_matrix.py runs its short part in the suite.
"""
