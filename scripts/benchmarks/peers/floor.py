"""The peer "floor with nothing": paho and a socket, a ticket that is ready but for its number. Nobody would run this.

Arguments: broker port, printer (host:port), topic.
"""

import re
import socket
import sys
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

_NUMBER = re.compile(rb'"no":"(\d+)"')
_LINES = "3 杯  现磨豆浆  Soy milk\n    + 加热\n2 笼  鲜肉小笼包  Pork soup dumplings\n    * 醋分开放\n" * 3
_TICKET = b"\x1b@\x1c&\x1d!\x11#%b\n\x1d!\x00" + _LINES.encode("gbk") + b"\n\n\n\n\x1dVB\x00"


def main() -> None:
    """Print what comes, for ever."""
    broker_port, where, topic = sys.argv[1:]
    host, _, port = where.partition(":")
    printer = socket.create_connection((host, int(port)))
    printer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_message(_client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if (found := _NUMBER.search(message.payload)) is not None:
            printer.sendall(_TICKET % found[1])

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1) and None
    client.on_message = on_message
    client.connect("127.0.0.1", int(broker_port))
    client.loop_forever()


if __name__ == "__main__":
    main()
