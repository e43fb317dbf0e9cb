#!/bin/sh
# An MQTT broker for your friends only: mosquitto listens on this computer alone, and Grapevine lets in whom you trust.
#   here:   examples/mqtt.sh [PORT] [options of 'grapevine share']
#   there:  grapevine open PEER/mqtt --listen 1883, and then any program:
#           mosquitto_sub -h 127.0.0.1 -t 'garden/#'        mosquitto_pub -h 127.0.0.1 -t garden/door -m open
set -eu
port=${1:-1883}
[ $# -eq 0 ] || shift
config=$(mktemp)
printf 'allow_anonymous true\nlistener %s 127.0.0.1\n' "$port" >"$config"
mosquitto -c "$config" &
broker=$!
grapevine share --tcp "$port" --name mqtt "$@" &
sharing=$!
trap 'kill "$broker" "$sharing" 2>/dev/null; rm -f "$config"' EXIT
trap 'exit 130' INT TERM
wait "$sharing"
