"""The formats that rows come in and answers go out in: a module each, and what they have in common."""
