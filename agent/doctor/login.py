"""The last steps of the line to the cloud: are we let in, and may we read and write our topics?"""

from collections.abc import Iterator

from agent.broker import probe
from agent.broker.topics import topics
from agent.config import Broker, Config
from agent.doctor.case import Case
from agent.doctor.finding import Finding, bad, look, well

LIMIT_S = 8.0
_OWN_ID_ONLY = ("aws", "alibaba", "alibaba-iot")
"""Brokers that let nobody in under another client id."""
_BAD_LOGIN = (4, 5, 134, 135, 138, 140)
_BAD_ID, _BAD_PROTOCOL = (2, 133), (1, 132)
_ROUTE = ("检查网线、Wi-Fi 和路由器", "Check the network cable, the Wi-Fi and the router")


def from_agent(case: Case) -> Iterator[Finding]:
    """The agent is in: that proves name and password; what the broker did not take of it tells of the topics."""
    assert case.overview is not None
    now = case.overview.line
    yield well("login", "程序已登录", "the agent is logged in")
    if case.refused:
        yield _wrong_topics(case, f"the broker does not take what we send: {case.refused}")
    elif now.heard:
        yield well("topics", f"最后收到 {now.heard}", f"the cloud was last heard at {now.heard}")
    else:
        why = ("启动后还没收到过云端的任何消息", "nothing was heard from the cloud since the start")
        yield look("topics", why, _CHECK_TOPICS)
    if now.session is not None:
        kept = ("云端保留着会话", "the broker had kept our session") if now.session else ("新会话", "a new session")
        yield well("session", *kept)


_CHECK_TOPICS = (
    "核对 prefix、shop、agent 是否和云端一致；请云端发一条测试单",
    "Check prefix, shop and agent with the cloud's operator; let them send a test order",
)


def _wrong_topics(case: Case, en: str) -> Finding:
    assert case.config is not None
    ours = topics(case.config.prefix, case.config.shop, case.config.agent)
    down, up = ours.order.removesuffix("order") + "#", ours.report.removesuffix("report") + "#"
    zh = "云端不让本机用这些主题（ACL）"
    fix = (
        f"核对 prefix、shop、agent；请云端允许读 {down}、写 {up}",
        f"Check prefix, shop, agent; else ask the cloud's operator to allow reading {down} and writing {up}",
    )
    return bad("topics", (f"{zh}：{en}", en), fix)


def log_in(config: Config, broker: Broker, case: Case) -> Iterator[Finding]:
    if broker.preset in _OWN_ID_ONLY:
        why = ("这种云端只认本机的编号，没有试登录", f"{broker.preset} lets nobody else in: the login was not tried")
        yield look("login", why, ("启动程序后再看", "Start the agent and look again"))
        return
    if case.unread:
        why = (f"用户 {case.user.name} 读不了密码文件", case.unread)
        yield bad("login", why, ("核对 broker.password_file", "Check broker.password_file"))
        return
    secret = case.password
    if broker.username and secret is None:
        why = ("这里看不到密码（systemd 凭据？），没有试登录", "the password can't be seen from here (a credential?)")
        yield look("login", why, ("启动程序后再看", "Start the agent and look again"))
        return
    ours = topics(config.prefix, config.shop, config.agent)
    reads = [ours.order, ours.replay, ours.command, *(mapped.topic for mapped in config.mappings)]
    try:
        found = probe.visit(broker, secret, reads, ours.report.removesuffix("report") + "doctor", LIMIT_S)
    except OSError as exc:
        yield bad("login", (f"连不上：{exc}", f"it broke off: {exc}"), _ROUTE)
        return
    yield from _entered(found, broker, case)


def _entered(found: probe.Visit, broker: Broker, case: Case) -> Iterator[Finding]:
    if not found.let_in:
        yield _kept_out(found, broker)
        return
    yield well("login", "登录成功", "the broker lets us in")
    if found.unread or found.unwritten:
        which = ", ".join(f"{topic} ({why})" for topic, why in found.unread.items())
        said = [f"we may not read {which}"] if which else []
        yield _wrong_topics(
            case, "; ".join([*said, *([f"we may not write: {found.unwritten}"] if found.unwritten else [])])
        )
    elif not found.subscribed:
        yield _wrong_topics(case, "the broker hung up when we asked for our topics")
    else:
        yield well("topics", "可以读写本店的主题", "we may read and write the shop's topics")


def _kept_out(found: probe.Visit, broker: Broker) -> Finding:
    if found.code is None:
        why = ("云端接通后不说话", "the broker took the call and said nothing")
        other = "mqtts://HOST:8883" if not broker.address.tls else "mqtt://HOST:1883"
        return bad("login", why, (f"也许端口或加密写错了：试 {other}", f"Perhaps the wrong port, or TLS: try {other}"))
    why = (f"云端拒绝登录：{found.reason}", f"the broker refuses us: {found.reason}")
    if found.code in _BAD_PROTOCOL:
        return bad("login", why, ("在 broker 下写 protocol: '3.1.1'", "Write protocol: '3.1.1' under broker"))
    if found.code in _BAD_ID:
        return look(
            "login", why, ("它也许只认本机的编号；启动程序后再看", "Perhaps only the box's own client id may; start it")
        )
    if found.code in _BAD_LOGIN:
        fix = (
            "用户名或密码错：核对 broker.username 和密码文件的内容（结尾不要空格）",
            "Wrong user or password: check broker.username and what is in the password file (no space at its end)",
        )
        return bad("login", why, fix)
    return bad("login", why, ("请联系云端", "Ask the cloud's operator"))
