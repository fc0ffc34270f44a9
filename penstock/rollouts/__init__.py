"""What people see of rollouts: the state in plain words and figures, and how it is drawn in a terminal."""
