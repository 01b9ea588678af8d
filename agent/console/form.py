"""An HTML form as a client sends it, read into names and values. Pure."""

from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

MOST_FIELDS = 50


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields, UTF-8; of a name that stands twice the last.

    application/x-www-form-urlencoded, and multipart/form-data, which PHP's curl makes of an array.

    Raises:
        ValueError: it can't be read.
    """
    if content_type.strip().lower().startswith("multipart/form-data"):
        return _multipart(content_type, body)
    pairs = parse_qsl(body.decode("utf-8"), True, encoding="utf-8", errors="strict", max_num_fields=MOST_FIELDS)
    return dict(pairs)


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    head = b"Content-Type: " + content_type.encode("latin-1", "replace").replace(b"\n", b" ") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise ValueError("its parts can't be told apart")
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content.decode("utf-8")
    if len(found) > MOST_FIELDS:
        raise ValueError("too many fields")
    return found
