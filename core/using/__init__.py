"""What this peer uses of others: local ports and pages that lead to services of other peers."""
