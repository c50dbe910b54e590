"""The images that a network is calibrated, tuned and measured on, as it sees them."""
