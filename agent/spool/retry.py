"""How long to wait before a printer is tried again. Pure; for ever, because a printer that is away comes back."""

FIRST_S = 0.5
LONGEST_S = 10.0


def backoff_s(failures: int, chance: float) -> float:
    """Seconds to wait after this many failures in a row (from 1). `chance` is drawn evenly from 0 to 1."""
    longest_s = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 10))
    return longest_s * (0.5 + chance / 2)
