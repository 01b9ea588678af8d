"""The package on a clean Debian, a phone that claims the box, and the first ticket from the cloud."""

import time
from pathlib import Path

from agent.config.pairing import Pairing, make_token
from tests.scan import scan_piece
from tests.vm.box import powered
from tests.vm.outside import PATIENCE_S, PLAIN, outside, plug_in, shell, until
from tests.vm.packages import package
from tests.vm.system import system
from tests.window import PIN, Client


def test_from_the_package_over_a_phone_to_the_first_ticket(tmp_path: Path) -> None:
    """dpkg -i, the welcome ticket, its code, a PIN, the platform's pairing token, and an order from the cloud."""
    deb, image = package(), system()
    with outside(tmp_path) as around, powered(image, around.hardware(words=PLAIN, packages=(deb,))) as box:
        plug_in(box)
        began = time.monotonic()

        def say(what: str) -> None:
            print(f"{time.monotonic() - began:7.1f} s  {what}")

        say(f"dpkg -i {deb.name}")
        shell(box, f"dpkg -i /project/{deb.name}", 2 * PATIENCE_S)
        until(box, "systemctl -q is-active shop-agent")
        say("the service is ready")
        around.wait_paper(lambda each: "WELCOME" in each.text.replace(" ", ""), "the welcome ticket")
        say("the welcome ticket is on paper")
        (link,) = [each.text for piece in around.pieces for each in scan_piece(piece) if "/claim" in each.text]
        phone = Client(lambda: around.web)
        code = link.partition("code=")[2]
        answer = phone.post("/claim", {"code": code, "pin": PIN, "again": PIN, "next": "/setup"})
        assert (answer.status, answer.headers["location"]) == (303, "/setup")
        phone.session = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
        say("claimed from a phone, with the code on the ticket")
        token = make_token(Pairing(shop="s1", url=around.url, agent="box1"))
        assert phone.post("/setup/cloud", {"token": token}).status < 400
        around.wait_online()
        say("paired: the box is at the broker")
        around.wait_printed(number := around.order())
        say(f"order {number} came from the cloud and is on paper")
        assert not around.tickets(number)[-1].marked
        say(shell(box, "systemctl --failed --no-legend | grep . || echo nothing has failed"))
        print(shell(box, "journalctl -u shop-agent -o short-monotonic --no-hostname | cut -c1-150"))
    verdict = around.verdict()
    assert verdict.fine, verdict.findings
