package config

import (
	"encoding/csv"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// GPUs is a request for GPUs. The zero value asks for none.
type GPUs struct {
	Driver       string            // empty: the engine's choice
	Count        int               // -1 means all; 0 where DeviceIDs are given
	DeviceIDs    []string          // numbers or UUIDs
	Capabilities []string          // in addition to gpu
	Options      map[string]string // of the driver
}

// None reports whether no GPU is asked for.
func (g GPUs) None() bool { return g.Count == 0 && len(g.DeviceIDs) == 0 }

// UnmarshalText reads what `docker run --gpus` takes: all, a number, or fields such as "device=0,2" in quotes,
// capabilities=utility, driver=nvidia, options=name=value, separated by commas.
func (g *GPUs) UnmarshalText(text []byte) error {
	*g = GPUs{}
	if len(text) == 0 {
		return nil
	}
	wrong := errors.New(`expected "all", a number, or fields such as "device=0" or "\"device=0,2\",capabilities=utility"`)
	fields, err := csv.NewReader(strings.NewReader(string(text))).Read()
	if err != nil {
		return wrong
	}
	seen := map[string]bool{}
	for i, f := range fields {
		name, value, named := strings.Cut(f, "=")
		if !named && i == 0 {
			name, value = "count", f
		}
		if value == "" || seen[name] || !g.set(name, value) {
			return wrong
		}
		seen[name] = true
	}
	if seen["count"] == seen["device"] {
		if seen["device"] {
			return errors.New("expected a number of GPUs or the devices by name, not both")
		}
		g.Count = 1
	}
	return nil
}

// set sets one field; false where there is none of that name, or the value is none of its.
func (g *GPUs) set(name, value string) bool {
	var err error
	switch name {
	case "count":
		if g.Count = -1; value != "all" {
			g.Count, err = strconv.Atoi(value)
		}
		return err == nil && g.Count >= -1 && g.Count != 0
	case "device":
		g.DeviceIDs = strings.Split(value, ",")
		return !slices.Contains(g.DeviceIDs, "")
	case "driver":
		g.Driver = value
	case "capabilities":
		g.Capabilities = strings.Split(value, ",")
	case "options":
		g.Options = map[string]string{}
		for option := range strings.SplitSeq(value, ",") {
			k, v, _ := strings.Cut(option, "=")
			g.Options[k] = v
		}
	default:
		return false
	}
	return true
}
