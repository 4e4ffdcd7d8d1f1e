"""Where articles come from: a folder of Markdown and HTML, and Zendesk's Help Center."""
