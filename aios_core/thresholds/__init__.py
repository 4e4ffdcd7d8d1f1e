"""Cut-offs that a manager can choose: what each would cost, how often it would err, how much work it leaves to people."""
