"""How far back a recurrent network remembers, and why."""
