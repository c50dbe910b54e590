"""What a quantization was and what it cost: one HTML page, one JSON, pictures, tables."""
