"""Friends who pass packets on: being one, and being reached by one, from asking to the lane that connections use."""
