"""Access tokens for programs: rules and pages."""
