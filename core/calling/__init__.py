"""Requests that go out: whom a person means, where that peer is, which address answers, when to ask again."""
