"""One POST. TLS is verified, no redirect is followed, and no error says the address, which is a secret."""

import http.client
import re
import ssl
from datetime import datetime

from agent.config.notices import Notice
from agent.errors import AgentError, ConfigError
from agent.log import BLACK
from agent.report.robots import Call, call, refusal

TIMEOUT_S = 10.0
_MOST_ANSWER = 16 * 1024
_LEAST_HIDDEN = 12
"""Characters: a shorter word of a path is no token."""


class Untold(AgentError):
    """It may not have arrived: say it again later, not at once where the receiver `refused` it."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


def tell(notice: Notice, said: str, facts: dict[str, object], now: datetime, timeout_s: float = TIMEOUT_S) -> None:
    """Post a message. Blocks, seconds as a rule; a name server that does not answer takes longer.

    Raises:
        Untold: it did not arrive, or was not taken.
    """
    url = secret = ""
    try:
        url, secret = notice.url(), notice.secret()
        status, answer = _post(call(notice.kind, url, secret, said, facts, now), timeout_s)
    except ConfigError as exc:
        raise Untold(str(exc), refused=True) from None
    except ssl.SSLCertVerificationError as exc:
        raise Untold(f"its certificate is not trusted: {exc.verify_message}") from None
    except OSError as exc:
        raise Untold(f"it can't be reached: {exc.strerror or type(exc).__name__}") from None
    except (http.client.HTTPException, ValueError) as exc:
        raise Untold(f"it does not speak HTTP as it should: {type(exc).__name__}") from None
    if why := refusal(notice.kind, status, answer):
        raise Untold(f"it was refused: {_without(why, url, secret)}", refused=True)


def _without(why: str, url: str, secret: str) -> str:
    """A receiver may say our address back to us."""
    hidden = [url, secret, *re.split(r"[/?&=]", url.partition("://")[2].partition("/")[2])]
    for each in filter(lambda each: len(each) >= _LEAST_HIDDEN, hidden):
        why = why.replace(each, BLACK)
    return why


def _post(what: Call, timeout_s: float) -> tuple[int, bytes]:
    line: http.client.HTTPConnection
    if what.tls:
        context = ssl.create_default_context()
        line = http.client.HTTPSConnection(what.host, what.port, timeout=timeout_s, context=context)
    else:
        line = http.client.HTTPConnection(what.host, what.port, timeout=timeout_s)
    try:
        line.request("POST", what.target, what.body, dict(what.headers))
        answer = line.getresponse()
        return answer.status, answer.read(_MOST_ANSWER)
    finally:
        line.close()
