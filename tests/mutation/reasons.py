"""Why mutants that no test notices do not matter: most change nothing that can be seen."""

REASONS: dict[str, str] = {}
