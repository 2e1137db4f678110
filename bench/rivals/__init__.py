"""What `bench.quality` compares: tables, the models that a user would pick instead, and how good their answers are."""
