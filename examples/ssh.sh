#!/bin/sh
# A shell on a machine behind a router. There, once:  grapevine share --tcp 22 --permanent --for YOUR-PEER-ID
#   here:  examples/ssh.sh PEER [ssh's own options and a command]
# As a block of ~/.ssh/config it works for scp, rsync, git and sftp too:
#   Host *.grape
#       ProxyCommand grapevine connect $(basename %h .grape)/ssh --stdio
set -eu
peer=$1
shift
exec ssh -o "ProxyCommand=grapevine connect '$peer/ssh' --stdio" "$@" "$peer"
