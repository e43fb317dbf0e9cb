"""A node of the directory in which peers find one another, a *grape*: the DHT engine with its HTTP API."""
