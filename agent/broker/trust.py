"""Whom the line believes, and how it proves who we are: TLS 1.2 or newer, the broker's name always checked."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from agent import log
from agent.broker import certificate
from agent.broker.presets import alpn
from agent.clock import Clock, stamp
from agent.config import Broker

WARN_BEFORE = timedelta(days=14)
LOOK_EACH_S = 3600.0
_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_CA = (2, 18, 19, 20, 21, 24, 79)
_OTHER_NAME, _OTHER_ADDRESS = 62, 64
"""OpenSSL's X509_V_ERR numbers."""
_CUT_OFF = (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_log = log.get("broker")


def tls_context() -> ssl.SSLContext:
    """A context that trusts nobody yet: without `load_trust` every broker is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_trust(context: ssl.SSLContext, settings: Broker) -> str:
    """Read the CA and our certificate as they are on disk now; what can't be read is logged and adds no trust.

    Returns what is wrong with our files, "" when nothing is.
    """
    file = settings.ca_file
    try:
        if file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(file)
        if settings.cert_file is not None:
            file = settings.cert_file
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_passphrase)
    except OSError as exc:  # ssl.SSLError is one
        files = [
            str(path) for path in (settings.ca_file, settings.cert_file, settings.key_file) if isinstance(path, Path)
        ]
        _log.error("broker.certificate_unreadable", reason=str(exc), files=", ".join(files))
        return _unreadable(exc, settings, file)
    return ""


def explain(exc: BaseException | None, settings: Broker, now: datetime | None = None) -> str:
    """Why TLS failed, and what to do about it; "" when it was not TLS that failed. The same words each time, unless
    they show the box's clock, `now`.
    """
    host, port = settings.address.host, settings.address.port
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not accepted: {_fault(exc, settings, now)}"
    if isinstance(exc, _CUT_OFF):
        return f"{host} closed the line in the TLS handshake ({exc}); is {port} its encrypted port?"
    if not isinstance(exc, ssl.SSLError):
        return ""
    match exc.reason:
        case "WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE" | "HTTP_REQUEST" | "UNEXPECTED_MESSAGE":
            return f"{host} speaks no TLS on port {port} ({exc.reason}); write the port that does, usually 8883"
        case "UNSUPPORTED_PROTOCOL" | "TLSV1_ALERT_PROTOCOL_VERSION":
            return f"the broker knows only TLS older than 1.2 ({exc.reason}); switch on TLS 1.2 or 1.3 there"
        case "NO_SHARED_CIPHER" | "SSLV3_ALERT_HANDSHAKE_FAILURE":
            return f"the broker and this box have no cipher in common ({exc.reason}); allow modern ones at the broker"
    return f"the broker ended the TLS handshake ({exc.reason or exc})"


def _fault(exc: ssl.SSLCertVerificationError, settings: Broker, now: datetime | None) -> str:
    host = settings.address.host
    clock = "this box's clock" + (f", {stamp(now)}," if now is not None else "")
    match exc.verify_code:
        case code if code == _EXPIRED:
            return f"it has expired; renew it at the broker, if {clock} is right"
        case code if code == _NOT_YET:
            return f"it is not valid yet; set {clock} or wait for the certificate's first day"
        case code if code in (_OTHER_NAME, _OTHER_ADDRESS):
            said = exc.verify_message.rstrip(".")
            return f"it is for another name ({said}); write the name that it bears in broker.url instead of {host}"
        case code if code in _UNKNOWN_CA and settings.ca_file is None:
            advice = "write the file of its CA as broker.ca_file"
            return f"its CA is not one that this system knows ({exc.verify_message}); {advice}"
        case code if code in _UNKNOWN_CA:
            return f"its CA is not in {settings.ca_file} ({exc.verify_message}); put the broker's CA there"
    return exc.verify_message


def _unreadable(exc: OSError, settings: Broker, file: Path | None) -> str:
    what = exc.reason if isinstance(exc, ssl.SSLError) else exc.strerror
    if isinstance(exc, ssl.SSLError) and exc.reason == "KEY_VALUES_MISMATCH":
        return f"broker.key_file {settings.key_file} is not the key of {settings.cert_file}; put there the one that is"
    if file == settings.ca_file:
        return f"broker.ca_file {file} can't be read ({what}); put the CA's certificate there, as PEM"
    return (
        f"broker.cert_file {file} or key_file {settings.key_file} can't be read ({what}); "
        "put certificate and key there, as PEM and without a passphrase"
    )


def _no_passphrase() -> str:
    """OpenSSL would ask a terminal for it, and wait there."""
    return ""


class Trust:
    """What the line needs of TLS over its life, and what is wrong with it: `faults` are for a person."""

    def __init__(self, settings: Broker, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._alpn = alpn(settings)
        self._refused = ""
        self._unreadable = ""
        self._ends_at: datetime | None = None
        self._look_at = 0.0

    def context(self) -> ssl.SSLContext:
        """A fresh context for each connection, of the files as they are now: a renewed certificate, or a CA that is no
        longer trusted, needs no restart.
        """
        context = tls_context()
        if self._alpn:
            context.set_alpn_protocols(self._alpn)
        self._unreadable = load_trust(context, self._settings)
        self._look_at = 0.0
        return context

    def refused(self, exc: BaseException | None) -> str:
        """A connection failed: why, in words, where it was TLS; else ""."""
        said = explain(exc, self._settings)
        if said and not isinstance(exc, _CUT_OFF):  # a bad line does that too: it is no alarm yet
            said = self._refused = self._unreadable or said
        return said

    def hung_up(self) -> str:
        """The broker closed a line that was encrypted, before it said a word: with TLS 1.3 it judges our certificate
        only then.
        """
        if self._settings.cert_file is None:
            return "; perhaps it wants a certificate of ours: broker.cert_file and key_file"
        return f"; perhaps it does not accept our certificate, {self._settings.cert_file}"

    def accepted(self) -> None:
        """A connection is up."""
        self._refused = ""

    @property
    def faults(self) -> dict[str, str]:
        """Alarm key and reason."""
        found = {}
        if said := self._refused or self._unreadable:
            found["broker:tls"] = said
        if said := self._own():
            found["broker:certificate"] = said
        return found

    def _own(self) -> str:
        """Does our certificate end soon? The file is looked at once an hour and at each connection."""
        file = self._settings.cert_file
        if file is None:
            return ""
        if self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + LOOK_EACH_S
            try:
                self._ends_at = certificate.ends_at(file.read_text("ascii"))
            except (OSError, ValueError):  # load_trust says so
                self._ends_at = None
        if self._ends_at is None or self._clock.utc() < self._ends_at - WARN_BEFORE:
            return ""
        when = "ended" if self._clock.utc() > self._ends_at else "ends"
        return f"our certificate {file} {when} on {self._ends_at:%Y-%m-%d}; put a new one there, no restart is needed"
