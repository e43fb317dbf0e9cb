#!/bin/sh
# avahi.sh FOLDER COMMAND...: an avahi daemon with a message bus of its own, and a command beside it. Run it in a network
# namespace and a mount namespace of its own: /run is its alone, and nothing of the system's is asked or changed.
set -eu
folder=$1
shift
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus /run/avahi-daemon
cat >"$folder/bus.conf" <<CONF
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
CONF
cat >"$folder/avahi.conf" <<CONF
[server]
use-ipv4=yes
use-ipv6=no
allow-interfaces=eth0
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
CONF
dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile >"$folder/log" 2>&1 &
bus=$!
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
avahi-daemon --no-drop-root --no-rlimits --no-chroot --no-proc-title -f "$folder/avahi.conf" >>"$folder/log" 2>&1 &
avahi=$!
trap 'kill $avahi $bus 2>/dev/null || true' EXIT INT TERM
while ! avahi-daemon --check; do sleep 0.05; done
"$@"
