"""Topics of ours that the broker does not let us write. On MQTT 5 its word on what was published says so: often the
only sign that the box speaks under a wrong name, because mosquitto grants every subscription, and brings nothing.
"""

from agent import log
from agent.broker.topics import Topics

_log = log.get("report")


class Denied:
    """What was denied last, by topic. For one thread."""

    def __init__(self, topics: Topics) -> None:
        self._mine = topics
        self._topics: dict[str, str] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def note(self, topic: str, reason: str, login: str) -> None:
        """The broker's word on something published there: why it is denied, "" where it was taken."""
        if reason and topic not in self._topics:
            _log.error("report.topic_denied", topic=topic, login=login, reason=reason)
        elif not reason and topic in self._topics:
            _log.info("report.topic_allowed", topic=topic)
        if reason:
            self._topics[topic] = reason
        else:
            self._topics.pop(topic, None)

    def fault(self, login: str) -> str:
        """For a person, with what to do; "" while all is allowed."""
        if not self._topics:
            return ""
        named = ", ".join(f"{topic} ({reason})" for topic, reason in sorted(self._topics.items()))
        wanted = f"read {self._mine.order.removesuffix('order')}# and write {self._mine.report.removesuffix('report')}#"
        return (
            f"the broker does not let us write to {named}, so that perhaps we may not read our orders either; "
            f"correct prefix, shop and agent here, or let {login} {wanted} there"
        )
