package dind

import (
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// commandForm says what a container's words start.
type commandForm int

const (
	entrypointCommand commandForm = iota // dockerd-entrypoint.sh with options: it adds listeners and certificates
	bareCommand                          // dockerd itself: nothing is added for it
	otherCommand                         // something that may or may not start dockerd, a shell for instance
)

// readCommand returns dockerd's arguments in a service's entrypoint and command, and how dockerd is started. An empty
// entrypoint is the image's, dockerd-entrypoint.sh; [""] is none.
func readCommand(entrypoint, command []string) ([]string, commandForm) {
	if len(entrypoint) == 0 && (len(command) == 0 || strings.HasPrefix(command[0], "-")) {
		return command, entrypointCommand
	}
	words := append(slices.Clone(entrypoint), command...)
	for i, word := range words {
		if strings.ContainsAny(word, " \t\n;&|") {
			continue // a shell script that may mention dockerd, but takes no arguments for it
		}
		args := words[i+1:]
		switch path.Base(word) {
		case "dockerd-entrypoint.sh":
			if len(args) == 0 || strings.HasPrefix(args[0], "-") {
				return args, entrypointCommand
			}
		case "dockerd":
			return args, bareCommand
		}
	}
	return nil, otherCommand
}

// hasFlag says whether one of the options is among dockerd's arguments.
func hasFlag(args []string, names ...string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return slices.Contains(names, flagName(arg)) })
}

// flagName is the long name of the option that an argument starts with, empty for a value.
func flagName(arg string) string {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return name
	}
	if len(arg) < 2 || arg[0] != '-' {
		return ""
	}
	switch arg[1] { // a short option's value may follow without a blank
	case 'H':
		return "host"
	case 'l':
		return "log-level"
	case 'D':
		return "debug"
	case 's':
		return "storage-driver"
	case 'b':
		return "bridge"
	case 'G':
		return "group"
	case 'p':
		return "pidfile"
	}
	return arg[1:2]
}

// flagGroups splits arguments into options with their values.
func flagGroups(args []string) [][]string {
	var groups [][]string
	for _, arg := range args {
		if flagName(arg) == "" && len(groups) > 0 {
			last := len(groups) - 1
			groups[last] = append(groups[last], arg)
			continue
		}
		groups = append(groups, []string{arg})
	}
	return groups
}

// asksForTLS says whether arguments turn TLS on. dockerd turns it on for any --tlsverify, whatever its value.
func asksForTLS(args []string) bool {
	return hasFlag(args, "tlsverify") || slices.Contains(args, "--tls") || slices.Contains(args, "--tls=true")
}

// hidesReadiness says whether an option makes dockerd log less than "API listen on", which is of level info.
func hidesReadiness(group []string) bool {
	if flagName(group[0]) != "log-level" {
		return false
	}
	text := strings.Join(group, " ")
	return slices.ContainsFunc([]string{"warn", "error", "fatal", "panic"}, func(level string) bool {
		return strings.HasSuffix(text, level) || strings.HasSuffix(text, level+"ing")
	})
}

// isUselessResolver says whether a resolver cannot be used in a container: the host's loopback, or no plain address, which
// dockerd refuses to start with.
func isUselessResolver(address string) bool {
	return net.ParseIP(address) == nil || isLoopback(address)
}

// isLocalURL says whether a mirror is on the host's loopback, which is another place in S.
func isLocalURL(text string) bool {
	u, err := url.Parse(text)
	return err != nil || isLoopback(u.Hostname())
}

// isLocalRegistry says whether an insecure registry is on the host's loopback; every daemon has those by itself.
func isLocalRegistry(registry string) bool {
	if ip, _, err := net.ParseCIDR(registry); err == nil {
		return ip.IsLoopback()
	}
	if host, _, err := net.SplitHostPort(registry); err == nil {
		return isLoopback(host)
	}
	return isLoopback(registry)
}
