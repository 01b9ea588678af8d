"""The peer "careful": the usual script with a persistent session, and acknowledged only after printing.

Still nothing is confirmed by the printer and nothing remembered. Arguments: broker port, printer, topic.
"""

import json
import sys
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from scripts.benchmarks.peers.ticket import open_printer, print_ticket


def main() -> None:
    """Print what comes, for ever."""
    broker_port, where, topic = sys.argv[1:]
    printer = open_printer(where)

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe(topic, qos=1)

    def on_message(client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        order = json.loads(message.payload)["data"]["order"]
        print_ticket(printer, order)
        client.ack(message.mid, message.qos)
        print(f"done {order['no']}", flush=True)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="careful-printer", clean_session=False, manual_ack=True)
    client.on_connect = on_connect
    client.on_message = on_message
    client.connect("127.0.0.1", int(broker_port))
    client.loop_forever()


if __name__ == "__main__":
    main()
