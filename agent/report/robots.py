"""What the chat robots want: their JSON, their signatures, their answers. Pure: the caller has the time and the socket.

WeCom  developer.work.weixin.qq.com/document/path/91770: 20 messages a minute, 2,048 bytes of text.
DingTalk  open.dingtalk.com, custom robots: 20 a minute, else none for ten; sign = HMAC of "ms\\nsecret" by the secret.
Feishu  open.feishu.cn, custom bots: 100 a minute, 5 a second; sign = HMAC of nothing by "seconds\\nsecret".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from agent.config.notices import Kind
from agent.errors import ConfigError

_LONGEST_ANSWER = 200
_NEAR = ("localhost", "127.0.0.1", "::1")


class Call(msgspec.Struct, frozen=True):
    """What is posted: `target` is path and query, with what the robot wants to be there."""

    tls: bool
    host: str
    port: int | None
    target: str
    headers: Mapping[str, str]
    body: bytes


class _Answer(msgspec.Struct):
    errcode: int | None = None
    errmsg: str = ""
    code: int | None = None
    msg: str = ""


def call(kind: Kind, url: str, secret: str, said: str, facts: Mapping[str, Any], now: datetime) -> Call:
    """The request that tells `said`; a generic receiver also gets the `facts`.

    Raises:
        ConfigError: `url` is none, or would show its token to the network. It does not say the URL.
    """
    tls, host, port, target = _split(kind, url)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if kind == "feishu":
        signed = _feishu_sign(secret, now) if secret else {}
        body = msgspec.json.encode({**signed, "msg_type": "text", "content": {"text": said}})
    elif kind == "generic":
        body = msgspec.json.encode({"text": said, **facts})
        headers |= _signature(secret, body, now) if secret else {}
    else:
        body = msgspec.json.encode({"msgtype": "text", "text": {"content": said}})
    if kind == "dingtalk" and secret:
        target += f"{'&' if '?' in target else '?'}{_dingtalk_sign(secret, now)}"
    return Call(tls, host, port, target, headers, body)


def refusal(kind: Kind, status: int, body: bytes) -> str:
    """Why it was not taken; empty where it was. The chat robots answer 200 also when they refuse."""
    if not 200 <= status < 300:
        return f"HTTP {status}"
    if kind == "generic":
        return ""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "it does not answer as this kind of robot does; check the address and the kind"
    code, why = (answer.code, answer.msg) if kind == "feishu" else (answer.errcode, answer.errmsg)
    return "" if code == 0 else f"{code}: {why[:_LONGEST_ANSWER]}"


def _split(kind: Kind, url: str) -> tuple[bool, str, int | None, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not url.isascii() or not url.isprintable() or " " in url or parts.scheme not in ("http", "https"):
        raise ConfigError("the address is no URL; write the whole of it, https://…, on the first line")
    if parts.scheme == "http" and kind != "generic" and host not in _NEAR:
        raise ConfigError("the address begins with http://, which shows its token to the network; write https://")
    query = f"?{parts.query}" if parts.query else ""
    return parts.scheme == "https", host, port, f"{parts.path or '/'}{query}"


def _dingtalk_sign(secret: str, now: datetime) -> str:
    stamp = str(int(now.timestamp() * 1000))
    signed = _hmac(secret, f"{stamp}\n{secret}")
    return f"timestamp={stamp}&sign={quote(signed, safe='')}"


def _feishu_sign(secret: str, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    return {"timestamp": stamp, "sign": _hmac(f"{stamp}\n{secret}", "")}


def _hmac(key: str, said: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), said.encode(), hashlib.sha256).digest()).decode()


def _signature(secret: str, body: bytes, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    made = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Shop-Agent-Timestamp": stamp, "X-Shop-Agent-Signature": f"sha256={made}"}
