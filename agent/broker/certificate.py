"""Until when a certificate holds, read from its PEM text. Pure.

A certificate is DER inside Base64: SEQUENCE of the part that is signed, which is [0] version, serial number,
algorithm, issuer, validity (RFC 5280 section 4.1). Only as much is read as stands before the validity's end.
"""

import ssl
from datetime import UTC, datetime

_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17


def ends_at(pem: str) -> datetime:
    """The last moment of the first certificate in the text. Raises ValueError when that is no certificate."""
    begin = pem.find("-----BEGIN CERTIFICATE-----")
    end = pem.find("-----END CERTIFICATE-----", begin)
    if begin < 0 or end < 0:
        raise ValueError("it holds no certificate (BEGIN CERTIFICATE)")
    der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len("-----END CERTIFICATE-----")])
    try:
        signed = _fields(_fields(der)[0][1])[0][1]
        fields = [field for field in _fields(signed) if field[0] != _VERSION]
        kind, text = _fields(fields[3][1])[1]
        return _time(kind, text.decode("ascii"))
    except (IndexError, ValueError) as exc:
        raise ValueError("the certificate in it can't be read") from exc


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of everything in a row."""
    found, at = [], 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            more = size & 0x7F
            size, at = int.from_bytes(data[at : at + more], "big"), at + more
        if at + size > len(data):
            raise ValueError("cut off")
        found.append((tag, data[at : at + size]))
        at += size
    return found


def _time(kind: int, text: str) -> datetime:
    """UTCTime has two digits for the year, of 1950 to 2049; GeneralizedTime has four."""
    if kind == _UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
