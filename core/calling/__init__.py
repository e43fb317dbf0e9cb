"""Requests that go out: which peer a person means, where it is, which address answers, when to ask again."""
