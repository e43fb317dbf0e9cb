"""What happens in a peer: events, snapshots, the hub that they leave by, and the table of other peers."""
