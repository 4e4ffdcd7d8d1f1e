"""What may be asked of a system of somebody else, and when: circuit breakers and quotas."""
