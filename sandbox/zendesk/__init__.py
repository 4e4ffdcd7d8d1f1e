"""The helpdesk's HTTP, as Zendesk Support speaks it under `/api/v2`."""
