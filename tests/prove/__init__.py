"""The fault matrix, played on the real agent and judged from outside: scripts/prove, docs/faults.md."""
