"""The printers' campaign: thousands of tickets on many printers at once while these fail in every way that we know,
judged from outside by what was published, what is on paper, and what the cloud was told.

.venv/bin/python -m tests.campaign --tickets 10000 --printers 16
"""
