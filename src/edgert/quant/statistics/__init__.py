"""What the images put into each tensor: collected, kept in a file, merged."""
