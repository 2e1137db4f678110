"""What a user types and imports. Loads a side of the house only when a command needs it."""
