"""What is in the ice: placing molecules without overlap."""
