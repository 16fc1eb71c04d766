"""One sentence or vector followed step by step, for readers who learn how a cell works."""
