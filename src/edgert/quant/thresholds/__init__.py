"""From histograms and weights to the steps between levels."""
