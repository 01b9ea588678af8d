"""Rows 1 to 5: kill -9 at the points around each durable or external action."""

from collections.abc import Callable

from tests.prove.row import Row
from tests.prove.stage import Needs, Stage

DIES_S = 30.0
ORDERS = 6


def kill_at(*points: str) -> Callable[[Stage], None]:
    """The agent is killed there once or more often while orders come, and starts again."""

    def play(stage: Stage) -> None:
        chance = stage.chance
        if chance.random() < 0.5:  # else the printers are met amid it
            stage.start()
            stage.order(2)
            stage.wait_printed(2)
            stage.agent.kill()
        for life in range(chance.randint(1, 3)):
            point = f"{chance.choice(points)}:{chance.randint(1, 4)}"
            stage.start(crash=point, wait=life == 0 and not stage.cloud.states)
            stage.order(ORDERS)
            code = stage.agent.wait(DIES_S)
            stage.say(f"killed at {point}" if code == -9 else f"{point} was not passed")
            stage.agent.kill()
        stage.start()
        stage.order(2)

    return play


ROWS = (
    Row(1, "killed before the commit", kill_at("intake.before_commit"), Needs()),
    Row(2, "killed between commit and PUBACK", kill_at("intake.after_commit", "intake.after_ack")),
    Row(3, "killed around the intent", kill_at("spool.before_intent", "spool.after_intent", "print.before_write")),
    Row(4, "killed within a ticket", kill_at("print.mid_ticket", "print.before_fence")),
    Row(
        5,
        "killed between paper and record",
        kill_at("print.after_write", "print.after_confirm", "spool.before_outcome", "spool.after_outcome"),
    ),
)
