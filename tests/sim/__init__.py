"""A simulated Internet: hosts, NATs and lossy paths on a hand-moved clock. Start at `tests.sim.world.World`."""
