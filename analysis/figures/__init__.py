"""Results as plotly figures, one file per view. A figure function draws; it computes nothing."""
