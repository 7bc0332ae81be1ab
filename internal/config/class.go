package config

type (
	ignored       struct{}
	notYet        struct{}
	otherExecutor struct{}
)
