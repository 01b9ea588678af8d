"""`shop-agent simulate printer`: a virtual printer that runs by itself, for demos, benchmarks and fault tests."""

import queue
import signal
from pathlib import Path

import click

from agent.simulator.control import COMMANDS, Command
from agent.simulator.piece import Piece
from agent.simulator.ports import PtyPort, TcpPort, serve_pty, serve_tcp
from agent.simulator.printer import PrinterSpec, VirtualPrinter
from agent.simulator.remote import serve_control
from agent.simulator.spec import ORDINARY_LINE_S

_DOTS_PER_CELL = 12
_STDIN = 0
_STOP = object()
_CONTROL = (
    'The JSON commands, one a line: {"do": "paper_out"}, {"do": "paper_out", "after_lines": 3}, '
    '{"do": "offline", "on": false}, {"do": "heal"}, {"do": "state"}. '
    f"There are: {', '.join(COMMANDS)}. Beside do may stand: {', '.join(Command.__struct_fields__[1:])}."
)


@click.group()
def simulate() -> None:
    """Play the parts that a shop has and a desk has not."""


@simulate.command(epilog=_CONTROL)
@click.option("--listen", default="tcp://127.0.0.1:0", show_default=True, help="tcp://HOST:PORT, or pty.")
@click.option("--width", default=48, show_default=True, type=click.IntRange(16, 96), help="Cells on a line.")
@click.option("--tier", default=1, show_default=True, type=click.IntRange(1, 3), help="1 echoes, 2 status, 3 mute.")
@click.option("--buffer", "buffer_bytes", default=65536, show_default=True, help="Receive buffer in bytes.")
@click.option("--rate", type=float, help="Bytes per second on the wire; unlimited if not given.")
@click.option("--line-time", default=ORDINARY_LINE_S, show_default=True, help="Seconds per printed line.")
@click.option("--paper-dir", type=click.Path(file_okay=False, path_type=Path), help="Keep each piece: 0001.txt, .png.")
@click.option("--control", help="HOST:PORT for JSON commands, see below; they are read from standard input too.")
@click.option("--name", default="printer", show_default=True)
@click.option("--quiet", is_flag=True, help="Show no tickets on the terminal.")
def printer(
    listen: str,
    width: int,
    tier: int,
    buffer_bytes: int,
    rate: float | None,
    line_time: float,
    paper_dir: Path | None,
    control: str | None,
    name: str,
    quiet: bool,
) -> None:
    """A network or serial ESC/POS printer with paper, sensors and faults. Its address is the first line it prints."""
    spec = PrinterSpec(
        width_dots=width * _DOTS_PER_CELL,
        tier=tier,
        buffer_bytes=buffer_bytes,
        bytes_per_s=rate,
        line_time_s=line_time,
    )
    if paper_dir:
        paper_dir.mkdir(parents=True, exist_ok=True)
    with VirtualPrinter(spec, name) as device, _plug_in(device, listen) as port:
        remote = serve_control(device, _host_port(control) if control else None, _STDIN, _answer)
        try:
            click.echo(f"listening on {port.link}")
            if control:
                click.echo(f"control on {remote.port}")
            _deliver(device, paper_dir, quiet)
        finally:
            remote.close()


def _plug_in(device: VirtualPrinter, listen: str) -> TcpPort | PtyPort:
    if listen == "pty":
        return serve_pty(device)
    if not listen.startswith("tcp://"):
        raise click.BadParameter("请写 write tcp://HOST:PORT 或 or pty", param_hint="--listen")
    host, port = _host_port(listen.removeprefix("tcp://"))
    return serve_tcp(device, host, port)


def _host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise click.BadParameter(f"{text} 不是 is not HOST:PORT")
    return host or "127.0.0.1", int(port)


def _answer(line: bytes) -> None:
    click.echo(line.decode(), nl=False)


def _deliver(device: VirtualPrinter, paper_dir: Path | None, quiet: bool) -> None:
    """Show and keep each piece of paper as it is cut off, until SIGTERM or SIGINT."""
    # SimpleQueue.put is safe within a signal handler; the handler only leaves a note.
    notes: queue.SimpleQueue[object] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: notes.put(_STOP))
    device.on_change(lambda: notes.put(None) if notes.empty() else None)
    shown, note = 0, None
    while note is not _STOP:
        for piece in device.paper.pieces[shown:]:
            shown += 1
            if not quiet:
                click.echo(_framed(piece, shown))
            if paper_dir:
                _keep(piece, paper_dir, shown)
        note = notes.get()


def _framed(piece: Piece, number: int) -> str:
    edge = "-" * (piece.width_dots // _DOTS_PER_CELL)
    return f"{edge}\n{piece.grid()}\n{edge[6:]} #{number:04d}"


def _keep(piece: Piece, paper_dir: Path, number: int) -> None:
    (paper_dir / f"{number:04d}.txt").write_text(piece.grid() + "\n", encoding="utf-8")
    piece.png(paper_dir / f"{number:04d}.png")
