"""Recurrent cells run forward and back, with everything recorded."""
