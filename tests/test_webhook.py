"""Notices: alarms arrive in the chats, signed as they want it; no blip, no flood, no secret in a log, nothing twice."""

import base64
import hmac
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.notices import test as command
from agent.config import load
from agent.config.notices import Notice
from agent.config.warnings import warnings
from agent.errors import CommandRefused, ConfigError
from agent.journal import notes
from agent.journal.store import Journal
from agent.model.ticket import Language
from agent.report.alarmtext import MOST_BYTES, text
from agent.report.hearer import OVER_AFTER_S, Hearer
from agent.report.notices import Notices, Place
from agent.report.robots import call
from agent.report.webhook import Untold, tell
from agent.simulator.stage import Mosquitto
from tests.office import listening
from tests.robot import TOKEN, Robot, robot
from tests.test_app import agent as start_agent
from tests.test_app import publish, wait_log

PLACE = Place("s421", "box1", Language.ZH)
PAPER = "printer:kitchen:paper"
SECRET = "SEC0123456789abcdef"
KINDS = ("wecom", "dingtalk", "feishu", "generic")


class HandClock:
    """Time goes on when a test says so; the wall clock is the machine's."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def utc(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


def notice(folder: Path, there: Robot, **more: Any) -> Notice:
    """Settings that lead to this robot."""
    url = folder / f"{there.kind}.url"
    url.write_text(f"{there.url}\n")
    secret = None
    if there.secret:
        secret = folder / f"{there.kind}.secret"
        secret.write_text(f"{there.secret}\n")
    return Notice(kind=there.kind, url_file=url, secret_file=secret, **more)  # type: ignore[arg-type]  # a kind


class Shop:
    """A journal, a line, and notices whose turns the test makes."""

    def __init__(self, folder: Path, settings: list[Notice]) -> None:
        self.clock, self.line = HandClock(), True
        self.journal = Journal(folder / "journal.db")
        self.journal.start()
        self.reader = self.journal.reader()
        self.notices = Notices(settings, PLACE, self.journal, self.clock, lambda: self.line)

    def close(self) -> None:
        """As at the agent's end."""
        self.reader.close()
        self.journal.stop(5)

    def alarm(self, key: str, reason: str = "why") -> None:
        """Up with a reason, down without."""
        self.journal.write(lambda tx: notes.raise_alarm(tx, key, reason) if reason else notes.clear_alarm(tx, key))

    def passes(self, seconds: float, step_s: float = 1.0) -> None:
        """The thread's turns, and what is under way arrives between them."""
        for _ in range(int(seconds / step_s)):
            self.clock.now += step_s
            self.notices.turn(self.reader)
            self.settle()

    def settle(self) -> None:
        """Messages that are under way come to their end, unless their receiver hangs."""
        ends_at = time.monotonic() + 5
        for receiver in self.notices._receivers:
            while receiver._under_way is not None and receiver._outcome is None and time.monotonic() < ends_at:
                time.sleep(0.002)


@contextmanager
def shop(folder: Path, *settings: Notice) -> Iterator[Shop]:
    """One that is closed in the end."""
    with closing(Shop(folder, list(settings))) as here:
        yield here


# -- what the platforms want -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "secret"), [(kind, secret) for kind in KINDS for secret in ("", SECRET) if kind != "wecom" or not secret]
)
def test_robot_takes_the_message(tmp_path: Path, kind: str, secret: str) -> None:
    """Each platform's shape, signature and size, as its documents say."""
    with robot(kind, secret) as there:
        tell(notice(tmp_path, there), "报警 测试", {"shop": "s421"}, datetime.now(UTC))
        assert there.next() == "报警 测试"


@given(st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC)))
def test_signature_in_the_address_survives_it(now: datetime) -> None:
    """Base64 has + / and =, which mean something else in an address."""
    made = call("dingtalk", f"https://oapi.dingtalk.com/robot/send?access_token={TOKEN}", SECRET, "x", {}, now)
    query = parse_qs(urlsplit(made.target).query, strict_parsing=True)
    said = f"{query['timestamp'][0]}\n{SECRET}"
    right = hmac.new(SECRET.encode(), said.encode(), "sha256").digest()
    assert query["sign"] == [base64.b64encode(right).decode()]
    assert query["access_token"] == [TOKEN]


@pytest.mark.parametrize("kind", ["dingtalk", "feishu", "generic"])
def test_wrong_secret_is_refused_and_said(tmp_path: Path, kind: str) -> None:
    """The robot's check is a real one: another secret does not pass."""
    with robot(kind, SECRET) as there:
        settings = notice(tmp_path, there)
        assert settings.secret_file is not None
        settings.secret_file.write_text("SECanother")
        with pytest.raises(Untold, match=r"310000: sign not match|HTTP 403") as failed:
            tell(settings, "x", {}, datetime.now(UTC))
        assert failed.value.refused
        assert there.said.empty()


MOODS = [("refuse", "130101"), ("redirect", "HTTP 302"), ("garbage", "does not answer as this kind")]


@pytest.mark.parametrize(("mood", "why"), MOODS)
def test_answer_that_is_no_yes_is_a_failure(tmp_path: Path, mood: str, why: str) -> None:
    """A robot says no with status 200; a captive portal says yes to everything; a redirect is not followed."""
    with robot("wecom") as there:
        there.mood = mood
        with pytest.raises(Untold, match=why):
            tell(notice(tmp_path, there), "x", {}, datetime.now(UTC))
        assert there.asked == 1


def test_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said to whom nobody vouches for; where the machine trusts its CA, it is told."""
    new = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout k -out c -subj /CN=localhost"
    )
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", *new.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")
    with robot("feishu", tls=context) as there:
        settings = notice(tmp_path, there)
        with pytest.raises(Untold, match="certificate is not trusted: self-signed certificate"):
            tell(settings, "x", {}, datetime.now(UTC))
        assert there.asked == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "c"))
        tell(settings, "x", {}, datetime.now(UTC))
        assert there.next() == "x"


URLS = [
    "",
    "nonsense",
    "ftp://a/b",
    "https://",
    "https://a b/c",
    "https://a:x/",
    "https://a/店",
    "http://far.example/x",
]


@pytest.mark.parametrize("url", URLS)
def test_address_that_is_none_is_said_without_it(tmp_path: Path, url: str) -> None:
    """A person reads what to write; the address itself stands in no error."""
    (tmp_path / "url").write_text(url)
    with pytest.raises(Untold) as failed:
        tell(Notice(kind="wecom", url_file=tmp_path / "url"), "x", {}, datetime.now(UTC))
    assert "write" in str(failed.value)
    assert len(url) < 9 or url not in str(failed.value)


# -- words -----------------------------------------------------------------------------------------------------------


def test_message_says_which_shop_what_and_what_to_do() -> None:
    """Short, in the language that is asked for."""
    said = text("s421/box1", Language.ZH, {PAPER: "x"}, ())
    assert said == "【报警】s421/box1\n⚠ 打印机 kitchen 缺纸。请装纸。装好后自动继续。"
    said = text("s421/box1", Language.EN, {}, (PAPER,))
    assert said == "ALARM OVER s421/box1\n✓ over: printer kitchen: out of paper"
    both = text("s421/box1", Language.BOTH, {PAPER: "x", "waiting:old": "y"}, ())
    assert "：2 条" in both
    assert ": 2 alarms" in both
    assert "迟到订单" in both


@given(st.dictionaries(st.text(max_size=300), st.text(max_size=600), max_size=60), st.sampled_from(Language))
def test_no_alarm_makes_a_message_too_long_or_calls_somebody(raised: dict[str, str], language: Language) -> None:
    """Whatever an alarm says: WeCom takes it, it holds no mention, and no control character but line ends."""
    said = text("s421/box1", language, raised, tuple(raised))
    assert len(said.encode("utf-8", "surrogatepass")) <= MOST_BYTES + 48
    assert not {"<", ">", "@"} & set(said)
    assert said.replace("\n", "").isprintable()


# -- when ------------------------------------------------------------------------------------------------------------

TOLD_AFTER = [
    (PAPER, 30),
    ("waiting:old", 5),
    ("line", 120),
    ("ticket:7", 60),
    ("missing://shop", 30),
    ("broker:refused", 120),
    ("parked", 5),
]


@pytest.mark.parametrize(("key", "after_s"), TOLD_AFTER)
def test_alarm_is_told_once_it_lasts(key: str, after_s: float) -> None:
    """A printer 30 s, the line two minutes: what is over sooner is told to nobody."""
    hearer = Hearer(())
    assert hearer.look({key: ""}, 0.0) is None
    assert hearer.look({key: ""}, after_s - 0.1) is None
    news = hearer.look({key: ""}, after_s)
    assert news is not None
    assert list(news.raised) == [key]
    assert hearer.look({}, after_s + 1) is None


def test_blips_are_not_told() -> None:
    """Each time it comes back it begins anew; one that was told is over only when it stays away."""
    hearer = Hearer(())
    for at in range(0, 600, 20):
        assert hearer.look({PAPER: ""} if at % 40 else {}, float(at)) is None
    hearer = Hearer((), {PAPER: ""})
    hearer.look({}, 0.0)
    assert hearer.look({PAPER: ""}, OVER_AFTER_S - 1) is None
    assert hearer.look({}, OVER_AFTER_S) is None
    assert hearer.look({}, 2 * OVER_AFTER_S) is not None


@pytest.mark.parametrize("key", ["printer:bar:mute", "printer:bar:unheard", "waiting:old"])
def test_only_what_is_wanted_and_can_be_helped_is_told(key: str) -> None:
    """A printer that never answers needs nobody; and who asked for printers alone hears of nothing else."""
    hearer = Hearer(["printer"])
    assert [hearer.look({key: ""}, at) for at in (0.0, 1000.0)] == [None, None]


@given(st.lists(st.tuples(st.integers(1, 90), st.sets(st.sampled_from([PAPER, "parked", "line", "ticket:1"])))))
def test_pace_is_kept_and_in_the_end_all_is_known(history: list[tuple[int, set[str]]]) -> None:
    """Whatever goes up and down: never more than 10 messages a minute, and what is told last is how it is."""
    hearer, now, sent = Hearer(()), 0.0, []
    up: set[str] = set()
    for seconds, up in [*history, (1000, history[-1][1] if history else set())]:
        for _ in range(seconds):
            now += 1
            if (news := hearer.look(dict.fromkeys(up, ""), now)) is not None:
                hearer.heard(news, now)
                sent.append(now)
    assert all(later - earlier > 60 for earlier, later in zip(sent, sent[11:], strict=False))
    assert set(hearer.told) == up


def test_hundred_alarms_in_an_hour_are_few_messages() -> None:
    """A box that is in trouble all day is heard of, and the chat stays readable."""
    hearer, messages, told = Hearer(()), 0, 0
    for now in range(3600):
        up = {f"ticket:{number}": "" for number in range(max(0, now // 30 - 5), now // 30)}
        if (news := hearer.look(up, float(now))) is not None:
            hearer.heard(news, float(now))
            messages, told = messages + 1, told + len(news.raised)
    assert told > 60
    assert messages < 60


# -- with a journal and a robot --------------------------------------------------------------------------------------


def test_alarms_of_one_moment_are_one_message(tmp_path: Path) -> None:
    """Five alarms are one message; that they are over is another."""
    with robot("wecom") as there, shop(tmp_path, notice(tmp_path, there)) as here:
        for name in "abcde":
            here.alarm(f"printer:{name}:paper")
        here.passes(31)
        said = there.next()
        assert said.startswith("【报警】s421/box1：5 条")
        for name in "abcde":
            here.alarm(f"printer:{name}:paper", "")
        here.passes(15)
        assert there.next().count("已恢复") == 5
        assert there.asked == 2


@pytest.mark.parametrize(("key", "again"), [("parked", True), ("missing://s/e1", True), (PAPER, False)])
def test_alarm_that_says_that_more_has_come_is_told_again(key: str, again: bool) -> None:
    """At most each ten minutes, with the newest words; a printer's other words are no news."""
    hearer, said = Hearer(()), []
    for at in range(3600):
        if (news := hearer.look({key: f"{at // 60 + 1} events" if at < 1800 else "31 events"}, float(at))) is not None:
            said.append((at, news.raised[key]))
            hearer.heard(news, float(at))
    assert len(said) == (4 if again else 1)
    assert [after - before for (before, _), (after, _) in pairwise(said)] == [600] * (len(said) - 1)
    assert not again or said[-1][1] == "31 events"


def test_alarm_that_went_up_while_the_internet_was_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    """What still holds is told then; what came and went meanwhile is not; and the log says it once."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    url = tmp_path / "url"
    url.write_text(f"http://localhost:{port}/cgi-bin/webhook/send?key={TOKEN}")
    with listening() as said, shop(tmp_path, Notice(kind="wecom", url_file=url)) as here:
        here.line = False
        here.alarm(PAPER)
        here.alarm("printer:bar:cover")
        here.passes(3600, 5.0)
        here.alarm("printer:bar:cover", "")
        assert said.events.count("notices.not_told") == 1
        assert here.notices._receivers[0].hearer.failing
        with robot("wecom", port=port) as there:
            here.line = True
            here.passes(10)
            heard = there.next()
            here.passes(60)
            assert there.asked == 1
        assert "kitchen" in heard
        assert "bar" not in heard
        assert "云端" not in heard
        assert said.events.count("notices.told_again") == 1


def test_who_was_told_is_known_after_a_restart(tmp_path: Path) -> None:
    """Not told again; and that it is over, though it ended while no agent ran, is told."""
    with robot("feishu", SECRET) as there:
        settings = notice(tmp_path, there)
        with shop(tmp_path, settings) as here:
            here.alarm(PAPER)
            here.passes(32)
            assert "缺纸" in there.next()
        with shop(tmp_path, settings) as here:
            here.passes(40)
            assert there.asked == 1
            here.alarm(PAPER, "")
        with shop(tmp_path, settings) as here:
            here.passes(12)
            assert "已恢复" in there.next()


def test_what_was_under_way_when_the_power_went_is_told_again(tmp_path: Path) -> None:
    """At least once: it arrived, and no turn came any more that could have noted it, so it is told anew."""
    with robot("wecom") as there:
        for asked in (1, 2):
            with shop(tmp_path, notice(tmp_path, there)) as here:
                here.alarm(PAPER)
                here.passes(31)
                assert "缺纸" in there.next()
                assert there.asked == asked


def test_receiver_that_hangs_stops_neither_the_thread_nor_the_others(tmp_path: Path) -> None:
    """One waits for an answer; the loop turns, and the other receiver is told everything. No second thread is made."""
    with robot("wecom") as slow, robot("dingtalk", SECRET) as quick:
        slow.mood = "hang"
        with shop(tmp_path, notice(tmp_path, slow), notice(tmp_path, quick)) as here:
            receiver = here.notices._receivers[0]
            here.settle = lambda: time.sleep(0.01)  # type: ignore[method-assign]  # nobody waits for the one that hangs
            here.alarm(PAPER)
            here.passes(40)
            assert "缺纸" in quick.next()
            here.alarm("parked")
            here.passes(20)
            assert "消息用不了" in quick.next()
            assert slow.asked == 1
            assert receiver._under_way is not None
            assert here.notices.progress() == here.clock.now


def test_line_that_is_down_is_told_though_the_internet_is_there(tmp_path: Path) -> None:
    """After two minutes; a reconnection is told to nobody."""
    with robot("wecom") as there, shop(tmp_path, notice(tmp_path, there, only=["line"])) as here:
        for up in (False, True, False):
            here.line = up
            here.passes(100)
        assert there.asked == 0
        here.passes(25)
        assert "云端连接断开" in there.next()
        here.line = True
        here.passes(12)
        assert "已恢复" in there.next()


def test_thread_tells_and_stops(tmp_path: Path) -> None:
    """As a service: it starts, turns, tells and ends."""
    with robot("generic", SECRET) as there:
        here = Shop(tmp_path, [notice(tmp_path, there, language="en")])
        here.notices.start()
        try:
            here.alarm("waiting:old")
            ends_at = time.monotonic() + 10
            while there.said.empty() and time.monotonic() < ends_at:
                time.sleep(0.2)
                here.clock.now += 5
            assert there.next().startswith("ALARM s421/box1\n⚠ orders came too late")
            assert there.bodies[0]["raised"] == [{"key": "waiting:old", "reason": "why"}]
        finally:
            here.notices.stop(5)
            here.close()
        assert not here.notices.alive()


# -- secrets, settings, the command ----------------------------------------------------------------------------------


def test_address_and_secret_are_in_no_log_and_no_error(tmp_path: Path) -> None:
    """Even when the receiver says them back."""
    with robot("dingtalk", SECRET) as there, listening() as said:
        there.mood = "echo"
        with shop(tmp_path, notice(tmp_path, there)) as here:
            here.alarm("parked")
            here.passes(8)
        fields = said.wait("notices.not_told")
        assert "93000" in str(fields)
        assert TOKEN not in str(said.fields)
        assert SECRET not in str(said.fields)


START = "shop: s421\nbroker: {url: mqtts://b.example}\n"


def config_file(folder: Path, notices: str) -> Path:
    """A configuration with these."""
    path = folder / "shop.yaml"
    path.write_text(f"{START}notices:\n{notices}")
    return path


FAULTS = [
    ("- {url_file: a}", "notices[0].kind: it is missing"),
    ("- {kind: wechat, url_file: a}", "notices[0].kind:"),
    ("- {kind: wecom, url_file: a, only: [paper]}", "notices[0].only[0]:"),
    ("- {kind: wecom, url_file: a, secret_file: b}", "WeCom's robots sign nothing; leave it out"),
    ("- {kind: wecom, url_file: a}\n- {kind: wecom, url_file: a}", "line 4 tells the same one; keep one"),
]


@pytest.mark.parametrize(("notices", "fault"), FAULTS)
def test_setting_that_is_wrong_is_named(tmp_path: Path, notices: str, fault: str) -> None:
    """With its place and what to write instead."""
    with pytest.raises(ConfigError) as failed:
        load(config_file(tmp_path, notices))
    assert fault in str(failed.value)


def test_credentials_stand_in_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's credentials, where no file is named; without either there is a warning."""
    config = load(config_file(tmp_path, "- {kind: feishu}"))
    assert any("notice-feishu-url" in text for text in warnings(config))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "notice-feishu-url").write_text("https://open.feishu.cn/x\n")
    (tmp_path / "notice-feishu-secret").write_text("s\n")
    assert (config.notices[0].url(), config.notices[0].secret()) == ("https://open.feishu.cn/x", "s")
    assert not any("notice-feishu-url" in text for text in warnings(config))


def test_command_tells_each_receiver_and_says_who_was_not(tmp_path: Path) -> None:
    """`shop-agent notices test` sends a real message; exit 1 when one did not arrive."""
    with robot("wecom") as there, robot("dingtalk", SECRET) as other:
        for each in (there, other):
            notice(tmp_path, each)
        path = config_file(tmp_path, "- {kind: wecom, url_file: wecom.url}\n- {kind: dingtalk, url_file: dingtalk.url}")
        result = CliRunner().invoke(command, ["--config", str(path)])
        assert "【测试】s421/box1" in there.next()
        assert "已送达 told  wecom (wecom.url)" in result.output
        assert "timestamp" in result.output
        assert isinstance(result.exception, CommandRefused)
        assert TOKEN not in result.output
        assert CliRunner().invoke(command, ["--config", str(path), "wecom"]).exit_code == 0


def test_shop_without_notices_does_not_pay_for_them() -> None:
    """Nothing of it is loaded by an agent that tells nobody."""
    code = "import agent.app, sys; print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    for module in ("notices", "hearer", "alarmtext", "robots", "webhook"):
        assert f"'agent.report.{module}'" not in said
    assert "'agent.report.publisher'" in said


def test_agent_tells_and_its_log_names_order_and_event(tmp_path: Path) -> None:
    """The whole agent, as a process: an order without a printer is told in the chat; the log holds no address."""
    url = tmp_path / "feishu.url"
    with ExitStack() as stack:
        there = stack.enter_context(robot("feishu", SECRET))
        broker = stack.enter_context(Mosquitto(tmp_path / "broker"))
        notice(tmp_path, there)
        agent = start_agent(
            stack,
            tmp_path,
            broker.port,
            f"language: zh\nnotices: [{{kind: feishu, url_file: {url}, secret_file: {tmp_path}/feishu.secret}}]\n",
        )
        agent.start()
        wait_log(agent, "broker.subscribed")
        publish(broker.port, 7)
        log = wait_log(agent, "intake.order_accepted")
        assert "order=id-7 event=event-7 no=7" in log
        assert (
            there.said.get(timeout=30)
            == "【报警】s1/box1\n⚠ 档口 kitchen 没有打印机，小票在等。请在手机页面“打印机”里添加，在“档口”里选它。"
        )
        log = wait_log(agent, 'notices.told receiver="feishu (feishu.url)"')
        assert agent.stop() == 0
        assert TOKEN not in log
        assert SECRET not in log
