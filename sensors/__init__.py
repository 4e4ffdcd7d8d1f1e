"""What starts runs by itself: each is a pure decision with a thin shell around it."""
