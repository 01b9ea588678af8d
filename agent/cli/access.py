"""`shop-agent reset-pin` and `shop-agent pair`: who may manage the box, and which cloud it belongs to."""

import sys
from pathlib import Path

import click

from agent.cli.options import config_option
from agent.cli.talk import in_use, json_option, show_json
from agent.errors import ConfigError
from agent.unixuser import acting_as, owner_of

BY = "command line"


@click.command("reset-pin")
@config_option
@json_option
def reset_pin(config_path: Path, as_json: bool) -> None:
    """Make a new code: who types it in at the console's /claim chooses a new PIN. The agent need not run."""
    from agent.console.access import Access
    from agent.console.claimticket import page_address

    config = in_use(config_path)
    try:
        with acting_as(owner_of(config.data_dir)):
            code = Access(config.data_dir).tell_code()
    except OSError as exc:
        text = f"{config.data_dir}: the code can't be kept there ({exc.strerror}); run it with sudo"
        raise ConfigError(text) from exc
    if as_json:
        show_json({"code": code})
        return
    click.echo(f"代码 code: {code[:4]}-{code[4:]}")
    found = page_address(config)
    address = found or "http://ADDRESS:8480"
    click.echo(f"在手机上打开 {address}/claim，输入代码，选新密码。代码只能用一次。")
    click.echo(f"Open {address}/claim on a phone, type the code, choose a PIN. It works once.")
    if config.console == "off" or not config.console.pages:
        click.echo('手机页面没有打开：配置里写 the pages are off; write: console: {listen: "0.0.0.0:8480"}')
    elif not found:
        click.echo("盒子没有网络：请接网线或 Wi-Fi the box has no network: plug its cable in, or join the Wi-Fi")


@click.command()
@click.argument("token", required=False)
@config_option
@click.option("--make", is_flag=True, help="Make a token of --shop, --url and so on instead, and show it as a QR code.")
@click.option("--shop")
@click.option("--url", help="The broker, such as mqtts://broker.example:8883.")
@click.option("--username", default="")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--preset", default="")
@click.option("--prefix", default="")
@click.option("--agent", default="")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--box", default="http://shop-agent.local:8480", show_default=True, help="Where the QR code leads a phone."
)
def pair(
    token: str | None,
    config_path: Path,
    make: bool,
    shop: str | None,
    url: str | None,
    password_file: Path | None,
    ca_file: Path | None,
    box: str,
    **named: str,
) -> None:
    """Connect this box to its cloud with a pairing TOKEN; or make one.

    The token holds the broker's password: give it to nobody but the shop. TOKEN - reads it from the pipe.
    """
    from agent.config.pairing import Pairing, faults_of, make_token, read_token, wanted
    from agent.config.write import edit

    if make:
        if not shop or not url:
            raise click.UsageError("--make 还要 --shop 和 --url --make wants --shop and --url")
        password = password_file.read_text("utf-8").strip() if password_file else ""
        ca = ca_file.read_text("utf-8") if ca_file else ""
        pairing = Pairing(shop, url, password=password, ca=ca, **named)
        if wrong := faults_of(pairing):
            told = [f"--{each.field.rpartition('.')[2]}: {each.zh} {each.en}" for each in wrong]
            raise click.UsageError("\n".join(told))
        made = make_token(pairing)
        click.echo(made)
        _show_code(f"{box}/setup#pair={made}")
        return
    if token is None:
        raise click.UsageError("请给配对码 TOKEN，或用 - 从管道读 give the TOKEN, or - to read it from the pipe")
    said = sys.stdin.read() if token == "-" else token
    change = wanted(read_token(said))
    differ = edit(config_path, change.change, by=BY, beside=change.beside)
    click.echo(f"已保存 saved: {', '.join(differ)}" if differ else "没有变化 nothing was changed")
    if differ:
        click.echo("重启后生效 in use after a new start: sudo systemctl restart shop-agent")


def _show_code(text: str) -> None:
    import segno

    if sys.stdout.isatty():
        segno.make(text, error="l").terminal(compact=True)
