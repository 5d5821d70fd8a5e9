"""Movies to motion-corrected tilt images."""
