"""The topics of one shop's agent. It reads its shop's `dn/` and writes its own `up/{agent}/`: that is the whole ACL."""

import msgspec


class Topics(msgspec.Struct, frozen=True):
    """Every topic that this agent reads or writes."""

    order: str
    replay: str
    command: str
    report: str
    request: str
    beat: str
    state: str


def topics(prefix: str, shop: str, agent: str) -> Topics:
    """The topics under `{prefix}/{shop}`."""
    root = f"{prefix}/{shop}"
    return Topics(
        order=f"{root}/dn/order",
        replay=f"{root}/dn/replay/{agent}",
        command=f"{root}/dn/cmd/{agent}",
        report=f"{root}/up/{agent}/report",
        request=f"{root}/up/{agent}/request",
        beat=f"{root}/up/{agent}/beat",
        state=f"{root}/up/{agent}/state",
    )
