"""The wire formats, as pure functions: each parser returns a value or raises one error."""
