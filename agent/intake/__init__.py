"""The front door: receive, decode, decide, commit, acknowledge."""
