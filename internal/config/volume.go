package config

import (
	"fmt"
	"path"
	"strings"
)

// Volume is one entry of `volumes`. Destination may hold variables of the job and may be relative to the project's directory: both are the
// reader's to resolve. Without a Source it is a cache volume that the runner names; with one it is a bind of a host path or a named volume.
type Volume struct {
	Source      string
	Destination string
	Mode        string // "", ro, rw or O
	Label       string // "" or z, Z
	Propagation string // "" or shared, slave, private, rshared, rslave, rprivate
}

// ParseVolume reads [source:]destination[:ro|rw|O][:z][:propagation], gitlab-runner's grammar. A comma may stand before label and propagation; mode and label may be in either
// case. Errors say what is wrong with the entry.
func ParseVolume(spec string) (Volume, error) {
	parts := strings.Split(spec, ":")
	options := []string{}
	for len(parts) > 1 && isOptions(parts[len(parts)-1]) {
		options = append(strings.Split(parts[len(parts)-1], ","), options...)
		parts = parts[:len(parts)-1]
	}
	var v Volume
	switch len(parts) {
	case 1:
		v.Destination = parts[0]
	case 2:
		v.Source, v.Destination = parts[0], parts[1]
		if v.Source == "" {
			return Volume{}, fmt.Errorf("volume %q has an empty source: expected [source:]destination[:mode]", spec)
		}
	default:
		return Volume{}, fmt.Errorf("volume %q is not [source:]destination[:mode]: the mode is ro or rw, then z, then a propagation such as rslave", spec)
	}
	if v.Destination == "" || path.Clean(v.Destination) == "/" {
		return Volume{}, fmt.Errorf("volume %q has no directory below / as destination", spec)
	}
	for _, option := range options {
		if err := v.setOption(option); err != nil {
			return Volume{}, fmt.Errorf("volume %q: %w", spec, err)
		}
	}
	return v, nil
}

// isOptions tells the trailing options from a path: `/a:ro` is a destination with a mode, while `cache:z/x` is a source with a destination.
func isOptions(part string) bool {
	for word := range strings.SplitSeq(part, ",") {
		if new(Volume).setOption(word) != nil {
			return false
		}
	}
	return true
}

func (v *Volume) setOption(word string) error {
	field, value := &v.Mode, strings.ToLower(word)
	switch value {
	case "ro", "rw":
	case "o":
		value = "O" // the engine knows the overlay mode in upper case only
	case "z":
		field, value = &v.Label, word // Z is a label of this container alone
	case "shared", "slave", "private", "rshared", "rslave", "rprivate":
		field = &v.Propagation
	default:
		return fmt.Errorf("unknown option %q", word)
	}
	if *field != "" {
		return fmt.Errorf("option %q comes after %q, but only one of its kind may be given", word, *field)
	}
	*field = value
	return nil
}

// String is the entry in the form that the engine takes as a bind.
func (v Volume) String() string {
	s := v.Destination
	if v.Source != "" {
		s = v.Source + ":" + s
	}
	var options []string
	for _, option := range []string{v.Mode, v.Label, v.Propagation} {
		if option != "" {
			options = append(options, option)
		}
	}
	if len(options) > 0 {
		s += ":" + strings.Join(options, ",")
	}
	return s
}

// UnmarshalText is ParseVolume for the decoder.
func (v *Volume) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVolume(string(text))
	return err
}
