"""An HTML form as a client sends it, read into names and values. Pure."""

import re
from urllib.parse import parse_qsl

MOST_FIELDS = 50
MOST_HEAD = 1024
"""Bytes of a part's head that are looked at."""
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]{0,200}?[;\s]name="?([^";\r\n]{1,100})', re.IGNORECASE)


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields, UTF-8; of a name that stands twice the last.

    application/x-www-form-urlencoded, and multipart/form-data, which PHP's curl makes of an array.

    Raises:
        ValueError: it can't be read.
    """
    if content_type.strip().lower().startswith("multipart/form-data"):
        return {name: content.decode("utf-8") for name, content in read_parts(content_type, body).items()}
    return dict(read_pairs(body, MOST_FIELDS))


def read_pairs(body: bytes, most: int) -> list[tuple[str, str]]:
    """The fields of application/x-www-form-urlencoded, in order; a name may stand more than once. Raises ValueError."""
    return parse_qsl(body.decode("utf-8"), True, encoding="utf-8", errors="strict", max_num_fields=most)


def read_parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of multipart/form-data, a file's content as it is. Raises ValueError.

    By hand: the library's parser of headers takes seconds for some that are made for it.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ValueError("its parts can't be told apart")
    parts = body.split(b"--" + (boundary[1] or boundary[2]).encode("latin-1", "replace"), MOST_FIELDS + 2)
    if len(parts) > MOST_FIELDS + 2:
        raise ValueError("too many fields")
    found: dict[str, bytes] = {}
    for part in parts[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = _NAME.search(head[:MOST_HEAD])
        if name is not None:
            found[name[1].decode("utf-8")] = content.removesuffix(b"\r\n")
    return found
