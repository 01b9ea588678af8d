"""What is wrong with the line, in words for a person: once in the log for each reason, and as alarms while it lasts."""

import os
from collections.abc import Sequence

from paho.mqtt.reasoncodes import ReasonCode

from agent import log
from agent.broker.backoff import Backoff
from agent.broker.trust import Trust
from agent.broker.word import Session
from agent.config import Broker
from agent.model.address import BrokerAddress

OLD_PROTOCOL = 132
BAD_LOGIN = (134, 135)
_log = log.get("broker")


class Troubles:
    """`refusal`: why the broker does not take us; `denied`: which topics it does not let us read; `large`: what we have
    for it that is larger than it takes. Empty while all is well.
    """

    def __init__(self, settings: Broker, address: BrokerAddress, trust: Trust | None) -> None:
        self._settings, self._address, self._trust = settings, address, trust
        self._said = ""
        self.refusal = ""
        self.denied = ""
        self.large = ""

    @property
    def login(self) -> str:
        """As whom we come, for a person; no secret."""
        if self._settings.username:
            return f"the user {self._settings.username}"
        file = self._settings.cert_file
        return f"who comes with the certificate {file}" if file is not None else "who comes without a user name"

    @property
    def why(self) -> str:
        """What the last try met; empty once the broker took us."""
        return self._said

    def over(self) -> None:
        """The broker took us."""
        self._said = self.refusal = self.large = ""
        if self._trust is not None:
            self._trust.accepted()

    def refused(self, reason: str, code: int) -> None:
        """It did not, and says why."""
        self.refusal = f"{reason}{self._advice(code)}"

    def say(self, event: str, reason: str, again_s: float) -> None:
        """Once for each reason, until the line was up again."""
        if reason != self._said:
            self._said = reason
            _log.warning(event, reason=reason, host=self._address.host, port=self._address.port, again_in_s=again_s)

    def too_large(self, topic: str, size: int, largest: int) -> None:
        """It takes no message of this size; the first of a connection is told."""
        if not self.large:
            self.large = f"a message of {size} bytes for {topic}: the broker takes {largest}; allow larger ones there"
            _log.error("broker.too_large", topic=topic, bytes=size, largest=largest)

    def not_let(self, topics: Sequence[str], reasons: Sequence[ReasonCode]) -> str:
        """Which of the topics the broker does not let us read, as it answered our subscription; "" if all."""
        answers = zip(topics, reasons, strict=False)
        denied = [f"{topic} ({reason})" for topic, reason in answers if reason.is_failure or reason.value == 0]
        self.denied = ", ".join(denied)
        return self.denied

    def note_session(self, session: Session, asked_s: int) -> None:
        """It is connected; a broker may keep less than was asked."""
        granted_s = session.expiry_s
        _log.info("broker.connected", session_present=session.present, session_expiry_s=granted_s, asked_s=asked_s)
        if granted_s is not None and granted_s < asked_s:
            _log.warning("broker.session_shortened", session_expiry_s=granted_s, asked_s=asked_s)

    def never_up(self, answered: bool, why: str, again_s: float) -> None:
        """A connection ended before the broker took us."""
        if answered:
            self.say("broker.refused", self.refusal, again_s)
        else:
            self.say("broker.never_answered", why + self._hung_up(), again_s)

    def unreachable(self, error: BaseException | None) -> str:
        """Why there is no connection."""
        refused = self._trust.refused(error) if self._trust is not None else ""
        return refused or str(error or "no connection")

    def faults(self, backoff: Backoff) -> dict[str, str]:
        """What needs a person: alarm key and reason."""
        found = dict(self._trust.faults) if self._trust is not None else {}
        if self.refusal:
            found["broker:refused"] = f"the broker refuses us: {self.refusal}"
        if self.denied:
            found["broker:topics"] = (
                f"the broker does not let us read our orders: {self.denied}; "
                f"correct prefix, shop and agent here, or let {self.login} read these topics there"
            )
        if self.large:
            found["broker:packet"] = self.large
        if backoff.contested:
            found["broker:client_id"] = (
                f"another program uses our client id {self._settings.client_id}; give one of them another"
            )
        elif backoff.suspected:
            found["broker:client_id"] = (
                f"perhaps another box uses our client id {self._settings.client_id}: the broker takes us and hangs up, "
                "again and again; give each box an agent name of its own"
            )
        return found

    def _advice(self, code: int) -> str:
        if code == OLD_PROTOCOL:
            return "; write protocol: '3.1.1'"
        if code not in BAD_LOGIN:
            return ""
        source, file = self._settings.password_source(), self._settings.password_file
        word = "without a password" if source == "none" else f"with the password from {source}"
        if file and source.endswith(str(file)) and not os.access(file, os.R_OK):
            word = f"without a password, because {file} is not there or can't be read"
        return f": {self.login}, {word}; check both with whoever runs the broker"

    def _hung_up(self) -> str:
        """Why a broker may hang up before it says a word."""
        said = ""
        if self._trust is None:
            said += f"; is {self._address.port} its encrypted port? then write mqtts:// in broker.url"
        if self._settings.protocol == "5":
            said += "; a broker that speaks no MQTT 5 may do so: write protocol: '3.1.1'"
        return said + (self._trust.hung_up() if self._trust is not None else "")
