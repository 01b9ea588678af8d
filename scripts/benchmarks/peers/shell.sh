#!/usr/bin/env bash
# The peer "shell": mosquitto_sub in a loop, as its manual has it (-q 1, and -c with a client id: a session that stays).
# jq makes the ticket, iconv the characters, nc or cat the way to the printer. Arguments: broker port, printer, topic.
port=$1 printer=$2 topic=$3
text='.data.order | "\u001b@\u001ba\u0001\u001d!\u0011#\(.no)\n\u001d!\u0000\u001ba\u0000" +
"桌号 Table: \(.table)   \(.guests)人   \(.fulfil)   \(.channel)\n下单 Placed: \(.placed_at[11:19])\n" +
(if .customer then "顾客: \(.customer.name) 尾号\(.customer.phone_tail)\n" else "" end) +
(if .allergies != [] then "过敏 ALLERGY: \(.allergies | join(" "))\n" else "" end) +
(if .note != "" then "备注 NOTE: \(.note)\n" else "" end) + "-" * 48 + "\n" +
([.items[] | "\u001bE\u0001\u001d!\u0001x\(.qty) \(.unit)  \(.name)  \(.name2)\n\u001d!\u0000\u001bE\u0000" +
([.mods[] | "    + \(.name)\n"] | join("")) + (if .note then "    * \(.note)\n" else "" end)] | join("")) +
"-" * 48 + "\n\n\n\n\n\u001dVA\u0003"'

set -o pipefail

send() {
    if [ -e "$printer" ]; then cat >"$printer"; else nc -N "${printer%:*}" "${printer#*:}"; fi
}

mosquitto_sub -h 127.0.0.1 -p "$port" -q 1 -c -i kitchen-shell -t "$topic" | while read -r order; do
    number=${order#*'"no":"'}
    jq -j "$text" <<<"$order" | iconv -t GB18030 | send && echo "done ${number%%\"*}"
done
