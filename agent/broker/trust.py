"""Whom the line believes, and how it proves who we are: TLS 1.2 or newer, the broker's name always checked."""

import ssl
from pathlib import Path

from agent import log
from agent.config import Broker

_log = log.get("broker")


def tls_context() -> ssl.SSLContext:
    """A context that trusts nobody yet: without `load_trust` every broker is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_trust(context: ssl.SSLContext, settings: Broker) -> None:
    """Read the CA and our certificate as they are on disk now; what can't be read is logged and adds no trust.

    At each connection: a certificate that was renewed, or a file that came late, needs no restart.
    """
    try:
        if settings.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_passphrase)
    except OSError as exc:  # ssl.SSLError is one
        files = [
            str(path) for path in (settings.ca_file, settings.cert_file, settings.key_file) if isinstance(path, Path)
        ]
        _log.error("broker.certificate_unreadable", reason=str(exc), files=", ".join(files))


def _no_passphrase() -> str:
    """OpenSSL would ask a terminal for it, and wait there."""
    return ""
