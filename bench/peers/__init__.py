"""litet's serving beside what a user would pick instead: `bench.serving` is the entry."""
