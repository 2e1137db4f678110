"""Arrow IPC streams: how they are laid out, and what of it is rows and answers."""
