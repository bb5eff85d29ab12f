"""What a user does from end to end; the only place that meets both hwsim and golden (imported inside functions)."""
