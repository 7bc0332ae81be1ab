package config

import (
	"errors"
	"path"
	"strings"
)

// Volume is one entry of `volumes`. Destination may hold variables of the job and may be relative to the project's
// directory: both are the reader's to resolve. Without a Source it is a cache volume that the runner names; with one it
// is a bind of a host path or a named volume.
type Volume struct {
	Source      string
	Destination string
	Mode        string // "", ro, rw or O
	Label       string // "" or z, Z
	Propagation string // "" or shared, slave, private, rshared, rslave, rprivate
}

// parseVolume reads [source:]destination[:ro|rw|O][:z][:propagation], gitlab-runner's grammar. A comma may stand before
// label and propagation; mode and label may be in either case. Errors say what is expected; the caller names the entry.
func parseVolume(spec string) (Volume, error) {
	parts := strings.Split(spec, ":")
	var options []string
	for len(parts) > 1 && isOptions(parts[len(parts)-1]) {
		options = append(strings.Split(parts[len(parts)-1], ","), options...)
		parts = parts[:len(parts)-1]
	}
	v := Volume{Destination: parts[len(parts)-1]}
	if len(parts) == 2 {
		v.Source = parts[0]
	}
	if len(parts) > 2 || len(parts) == 2 && v.Source == "" {
		return Volume{}, errors.New("expected [source:]destination[:mode], where the mode is ro or rw, then z, then a propagation such as rslave")
	}
	if v.Destination == "" || path.Clean(v.Destination) == "/" {
		return Volume{}, errors.New("expected a directory below / as destination")
	}
	for _, option := range options {
		if !v.setOption(option) {
			return Volume{}, errors.New("expected one mode, one label and one propagation at most")
		}
	}
	return v, nil
}

// isOptions tells the trailing options from a path: `/a:ro` is a destination with a mode, while `cache:z/x` is a source
// with a destination.
func isOptions(part string) bool {
	for word := range strings.SplitSeq(part, ",") {
		if !new(Volume).setOption(word) {
			return false
		}
	}
	return true
}

// setOption sets the field that a word is for; false where it is no option, or the field has one already.
func (v *Volume) setOption(word string) bool {
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
		return false
	}
	if *field != "" {
		return false
	}
	*field = value
	return true
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

// UnmarshalText is parseVolume for the decoder.
func (v *Volume) UnmarshalText(text []byte) (err error) {
	*v, err = parseVolume(string(text))
	return err
}
