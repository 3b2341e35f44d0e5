"""Actions drawn with known probabilities, so that the next plan can learn."""
