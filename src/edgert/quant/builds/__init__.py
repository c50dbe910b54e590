"""What a builder makes of a model, against what was planned."""
