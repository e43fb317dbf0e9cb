"""The program as a friend gets it, beside the program as its source has it: the same tests for both."""
