"""Programs that drive a server with a client as a user would, each in the environment that has it."""
