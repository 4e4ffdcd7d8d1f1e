"""The CRM's HTTP, as Salesforce speaks it under `/services`."""
