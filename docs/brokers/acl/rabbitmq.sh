#!/bin/sh
# RabbitMQ with its MQTT plugin. In topics it writes . for /, and its permissions are regular expressions: anchor them.
# A box needs its own queue (the plugin calls it mqtt-subscription-CLIENTIDqos1) and the exchange amq.topic. What it may
# not do ends its connection. Tried with RabbitMQ 3.10.
#   rabbitmq.sh SHOP BOX PASSWORD
set -eu
shop=$1 box=$2 password=$3 user=$1-$2
queue="mqtt-(subscription|will)-$user(qos[01])?"  # of its own client id and no other's
rabbitmqctl add_user "$user" "$password"
# configure, write, read
rabbitmqctl set_permissions -p / "$user" \
    "^$queue\$" "^($queue|amq\.topic)\$" "^($queue|amq\.topic)\$"
# on amq.topic: write, read. Retained messages and the last will are writes too.
rabbitmqctl set_topic_permissions -p / "$user" amq.topic \
    "^shops\.$shop\.up\.$box\." "^shops\.$shop\.dn\."
