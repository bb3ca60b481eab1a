"""A seeded, deterministic world behind the wire formats of both vendors, for tests, benches and the demo."""
