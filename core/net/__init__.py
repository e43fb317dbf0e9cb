"""The one layer that owns sockets and timers: it drives the engines of one UDP socket."""
