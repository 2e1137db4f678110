"""Online: loads published models and answers predictions. Never imports torch or the training package."""
