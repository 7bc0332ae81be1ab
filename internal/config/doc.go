// Package config reads the configuration file: config.toml with gitlab-runner's keys, or config.yaml with the same keys.
//
// Bytes become a small tree of nodes that know their lines (toml.go, yaml.go), the tree is decoded into Config by the
// tags of its fields (decode.go), empty values get their defaults (defaults.go), and what spans several keys is checked
// (validate.go). All that is wrong is reported together, each with file, line and key; what is merely suspicious
// becomes a Warning.
//
// It reads one file and the environment function it is given, nothing else: it does not look for engines, resolve names
// or open sockets.
//
//go:generate go test -count=1 -run ^TestDocumentation$ -update
package config
