"""What a service is, the names it is announced under, and which of them this peer offers and wants."""
