#!/bin/sh
# A board without a screen, such as a Raspberry Pi: what it shares is up again after each start, before anybody logs in.
#   examples/board.sh YOUR-PEER-ID       ('grapevine id' on your own computer prints it)
# Then, on your own computer, with the Peer ID that this prints last:
#   grapevine trust add PEER-ID --name board
#   grapevine watch board/temp           ssh -o ProxyCommand='grapevine connect board/ssh --stdio' pi@board
set -eu
here=$(cd "$(dirname "$0")" && pwd)
grapevine trust add "$1" --name owner
grapevine share --tcp 22 --permanent --later
grapevine share --watch "$here/thermometer.py --every 5" --name temp --permanent --later
grapevine install --service                  # a systemd user unit that runs 'grapevine share --all'
if [ -d /run/systemd/system ]; then
    loginctl enable-linger                   # it starts at boot, and not at the first login
    systemctl --user daemon-reload
    systemctl --user restart grapevine
fi
grapevine id
