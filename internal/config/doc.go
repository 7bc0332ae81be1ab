// Package config reads the configuration file: config.toml with gitlab-runner's keys, or config.yaml with the same keys.
//
// Bytes become a small tree of nodes that know their lines (toml.go, yaml.go), the tree is decoded into Config by the
// tags of its fields (decode.go), empty values get their defaults (defaults.go), and what spans several keys is checked
// (validate.go, conflicts.go). All that is wrong is reported together, each with file, line and key; what is merely suspicious
// becomes a Warning.
//
// It reads one file, what that refers to beside itself (surroundings.go), and the environment function it is given: it
// does not look for engines, resolve names or open sockets.
//
// A key is a field with its tags. A new one needs a row in internal/plan/effectlist_test.go, which shows what it does, and
// `go generate` here for docs/configuration.md.
//
//go:generate go test -count=1 -run ^TestDocumentation$ -update
package config
