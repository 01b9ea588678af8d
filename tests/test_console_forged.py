"""Forms that no page of ours sends: whatever stands in them, the answer is one, and the configuration stays right."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import load
from tests.window import ShopWindow, window

_ROUTES = (
    *("/printers/do", "/printers/add", "/printers/set", "/printers/rename", "/printers/remove", "/printers/paper"),
    *("/stations/plan", "/stations/save", "/stations/add", "/stations/set", "/stations/rename", "/stations/remove"),
)
_NAMES = ("printer", "station", "name", "pick", "link", "what", "width", "charset", "profile", "role", "beep", "drawer")
_MORE = (
    "heir",
    "ruler",
    "sample",
    "move",
    "dish",
    "category",
    "to",
    "backup",
    "copies",
    "template",
    "shows",
    "default",
)
_odd = st.text(max_size=40) | st.sampled_from(
    ["wok", "bar", "drinks", "../x", "a\nb: c", "{{1}}", "<b>", "\ud800", "0" * 99, ":", "/"]
)
_forms = st.lists(st.tuples(st.sampled_from((*_NAMES, *_MORE, "rule", "rule_was")), _odd), max_size=8)


@pytest.mark.timeout(300)
def test_whatever_a_form_says_the_agent_answers(tmp_path: Path) -> None:
    """No fault of ours, and a file that can be read; what is right by chance is done, and the agent starts anew."""
    with window(tmp_path) as here:
        here.order(7001, items=[{"name": "<b>豆浆</b>", "qty": 1, "category": "热饮", "sku": "\u202e{x}"}])

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(st.sampled_from(_ROUTES), _forms)
        def send(path: str, form: list[tuple[str, str]]) -> None:
            _send(here, path, [(name, value.encode("utf-8", "replace").decode()) for name, value in form])

        send()


def _send(here: ShopWindow, path: str, form: list[tuple[str, str]]) -> None:
    before = here.restarts
    answer = here.me.post(path, form)
    assert answer.status in (200, 404, 409, 422), (path, form, answer.body)
    assert b"<b>" not in answer.body
    load(here.config_path)
    if b"/restarted?" in answer.body:
        here.wait_restarted(before)
