"""The line to the cloud, step by step: name, port, TLS, login, topics. The first step that fails ends it."""

import errno
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from agent.broker.presets import alpn
from agent.broker.trust import Trust, explain, load_trust, tls_context
from agent.config import Broker
from agent.doctor import login
from agent.doctor.case import Case
from agent.doctor.finding import Finding, bad, look, well
from agent.doctor.running import finding_of

STEP_S = 4.0
LIMIT_S = 22.0
_SOON = timedelta(days=14)
_CLOCK = ("先对时：sudo timedatectl set-ntp true", "Set the clock first: sudo timedatectl set-ntp true")
_TLS_ZH = {
    10: "云端的证书已过期，或本机时钟不对",
    9: "云端的证书还没生效：多半是本机时钟不对",
    62: "证书上的名字和 broker.url 里的主机名不一样",
    64: "证书上的地址和 broker.url 里的不一样",
}
_ROUTE = ("检查网线、Wi-Fi 和路由器", "Check the network cable, the Wi-Fi and the router")


def line(case: Case) -> Iterable[Finding]:
    """All steps. While the running agent's own line is up nobody else logs in: it could take the agent's place."""
    config = case.config
    if config is None:
        return
    if config.broker is None:
        yield well("line", "没有配置云端，只收本机订单", "no cloud is configured; orders come from the shop's network")
        return
    up = case.overview is not None and case.overview.line.state == "up"
    for step in (_name, _port, _tls):
        found = list(step(config.broker, case))
        yield from found
        if any(each.sign == "bad" for each in found):
            yield from _said(case)
            return
    yield from login.from_agent(case) if up else login.log_in(config, config.broker, case)
    yield from _said(case)


def _said(case: Case) -> Iterator[Finding]:
    """The running agent's alarms of its line."""
    for alarm in case.overview.alarms if case.overview is not None else ():
        if alarm.key.startswith("broker:"):
            yield finding_of("line:" + alarm.key.removeprefix("broker:"), alarm)


def _name(broker: Broker, _case: Case) -> Iterator[Finding]:
    host = broker.address.host
    try:
        ip_address(host.partition("%")[0])
        return
    except ValueError:
        pass
    try:
        _resolve(host, broker.address.port)
    except (OSError, UnicodeError) as exc:
        why = (f"找不到主机 {host}（DNS）：{exc}", f"the name {host} can't be found (DNS): {exc}")
        fix = (
            "核对 broker.url 的拼写；再看路由器的网络和 DNS",
            "Check how broker.url is spelled; then the router's internet and DNS",
        )
        yield bad("dns", why, fix)
        return
    yield well("dns", f"找得到 {host}", f"{host} is known")


def _resolve(host: str, port: int) -> None:
    """A name server that does not answer would hold us up for half a minute."""
    trouble: list[Exception] = [TimeoutError(f"no answer within {STEP_S:.0f} s")]

    def work() -> None:
        try:
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            trouble[:] = [exc]
        else:
            trouble.clear()

    thread = threading.Thread(target=work, name="doctor-dns", daemon=True)
    thread.start()
    thread.join(STEP_S)
    if trouble:
        raise trouble[0]


def _port(broker: Broker, _case: Case) -> Iterator[Finding]:
    host, port = broker.address.host, broker.address.port
    try:
        socket.create_connection((host, port), STEP_S).close()
    except (OSError, UnicodeError) as exc:
        why = (f"连不上 {host}:{port}：{exc}", f"{host}:{port} can't be reached: {exc}")
        refused = isinstance(exc, OSError) and exc.errno == errno.ECONNREFUSED
        wrong_port = (
            "核对端口：加密通常是 8883，不加密 1883",
            "Check the port: 8883 is usual for mqtts, 1883 for mqtt",
        )
        yield bad("network", why, wrong_port if refused else _ROUTE)
        return
    yield well("network", f"{host}:{port} 连得上", f"{host}:{port} can be reached")


# -- TLS -----------------------------------------------------------------------------------------------------------


def _tls(broker: Broker, case: Case) -> Iterator[Finding]:
    if not broker.address.tls:
        return
    host, context = broker.address.host, tls_context()
    if alpn(broker):
        context.set_alpn_protocols(alpn(broker))
    if unreadable := load_trust(context, broker):
        yield bad(
            "tls", ("证书文件读不了", unreadable), ("核对 ca_file、cert_file、key_file", "Check the files it names")
        )
        return
    try:
        with (
            socket.create_connection((host, broker.address.port), STEP_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as line,
        ):
            ends = str((line.getpeercert() or {}).get("notAfter", ""))
    except OSError as exc:
        yield _refused(exc, broker, case)
        return
    if ending := Trust(broker, case.clock).faults.get("broker:certificate"):
        yield look("certificate", ("本机的证书快到期或已到期", ending), ("换上新证书", "Put a new one there"))
    ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None
    if ends_at is not None and ends_at - case.clock.utc() < _SOON:
        why = (f"云端的证书 {ends_at:%Y-%m-%d} 到期", f"the broker's certificate ends on {ends_at:%Y-%m-%d}")
        yield look("tls", why, ("请云端换新证书", "Ask the cloud's operator to renew it"))
        return
    until = "" if ends_at is None else f"{ends_at:%Y-%m-%d}"
    yield well("tls", f"加密正常，证书到 {until}", f"encrypted; the certificate holds until {until}")


def _refused(exc: OSError, broker: Broker, case: Case) -> Finding:
    what, _, fix = (explain(exc, broker, case.clock.utc()) or f"TLS failed: {exc}").partition("; ")
    if isinstance(exc, ssl.SSLCertVerificationError):
        zh = _TLS_ZH.get(exc.verify_code, "不认识云端证书的签发机构")
        if exc.verify_code in (9, 10) and not case.synchronised():
            return bad("tls", (zh, what), (f"{_CLOCK[0]}；再看证书", f"{_CLOCK[1]}; then {fix}"))
        advice = (
            "把 broker.url 的主机名写成证书上的名字"
            if exc.verify_code in (62, 64)
            else "请云端换证书，或改 broker.ca_file"
        )
        return bad("tls", (f"{zh}：{exc.verify_message}", what), (advice, fix or "Ask the cloud's operator"))
    zh_fix = "核对端口：它也许不加密（1883），加密的通常是 8883"
    return bad("tls", (f"加密连接建不起来：{exc}", what), (zh_fix, fix or "Check the port: 8883 is usual for mqtts"))
