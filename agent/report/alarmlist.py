"""Which alarms a beat tells: few enough for any broker, however many tickets are in doubt. Pure."""

import msgspec

MOST_TICKETS = 100
MOST_BYTES = 24 * 1024
"""As JSON. A broker may take 64 KB a message, or less, and breaks the line for more."""
LONGEST_REASON = 300
_TICKET = "ticket:"


def told_alarms(up: dict[str, str], most_bytes: int = MOST_BYTES) -> dict[str, str]:
    """Those about the box and its printers first, then tickets; oldest first, as `up` has them."""
    tickets = [key for key in up if key.startswith(_TICKET)]
    others = [key for key in up if not key.startswith(_TICKET)]
    told: dict[str, str] = {}
    for key in (*others, *tickets[:MOST_TICKETS]):
        reason = up[key][:LONGEST_REASON]
        most_bytes -= len(msgspec.json.encode({key: reason}))
        if most_bytes < 0:
            break
        told[key] = reason
    return told
