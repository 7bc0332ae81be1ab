package config

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Bytes is a size, written as a number with an optional binary unit: "512m" is 512 MiB.
type Bytes int64

// UnmarshalText reads what `docker run --memory` takes: 128, 128k, 1.5g, 128MiB. Negative sizes are refused, as
// gitlab-runner does.
func (b *Bytes) UnmarshalText(text []byte) error {
	wrong := errors.New(`expected a size such as "512m", with b, k, m, g or t as unit`)
	s := strings.ToLower(strings.TrimSpace(string(text)))
	if s == "" {
		*b = 0
		return nil
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
	number, err := strconv.ParseFloat(s[:digits], 64)
	if err != nil {
		return wrong
	}
	unit := strings.TrimSpace(s[digits:])
	if unit != "b" {
		unit = strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i")
	}
	power := map[string]int{"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
	exponent, known := power[unit]
	size := number * math.Pow(1024, float64(exponent))
	if !known || size >= math.MaxInt64 {
		return wrong
	}
	*b = Bytes(size)
	return nil
}

// String is the size with the largest unit that leaves a whole number.
func (b Bytes) String() string {
	unit, units := "", "kmgt"
	for b != 0 && b%1024 == 0 && units != "" {
		b, unit, units = b/1024, units[:1], units[1:]
	}
	return fmt.Sprintf("%d%s", int64(b), unit)
}

// NanoCPUs is a share of processors in units of 1e-9 processor, as the engine's API has it.
type NanoCPUs int64

// UnmarshalText reads a positive rational such as "2", "0.5" or "1/3".
func (n *NanoCPUs) UnmarshalText(text []byte) error {
	wrong := errors.New(`expected a number of processors as a string, such as "1.5"`)
	if len(text) == 0 {
		*n = 0
		return nil
	}
	if strings.ContainsAny(string(text), "eEpP") { // big.Rat would take for ever over 1e999999999
		return wrong
	}
	r, ok := new(big.Rat).SetString(string(text))
	if !ok || r.Sign() < 0 {
		return wrong
	}
	r.Mul(r, big.NewRat(1e9, 1))
	nano := new(big.Int).Quo(r.Num(), r.Denom())
	if !nano.IsInt64() {
		return wrong
	}
	*n = NanoCPUs(nano.Int64())
	return nil
}

// Ulimit is a limit of processes in a container.
type Ulimit struct{ Soft, Hard int64 }

// UnmarshalText reads soft or soft:hard; -1 means unlimited.
func (u *Ulimit) UnmarshalText(text []byte) error {
	soft, hard, both := strings.Cut(string(text), ":")
	if !both {
		hard = soft
	}
	var errSoft, errHard error
	u.Soft, errSoft = strconv.ParseInt(soft, 10, 64)
	u.Hard, errHard = strconv.ParseInt(hard, 10, 64)
	if errors.Join(errSoft, errHard) != nil {
		return errors.New(`expected "soft" or "soft:hard" in whole numbers, such as "1024:4096"`)
	}
	if u.Hard >= 0 && (u.Soft > u.Hard || u.Soft < 0) {
		return errors.New("expected a soft limit that is not above the hard one")
	}
	return nil
}

// Device is a device of the host that a container sees.
type Device struct{ HostPath, ContainerPath, Permissions string }

// UnmarshalText reads host[:container[:permissions]]; the permissions are rwm where none are given.
func (d *Device) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ":")
	if len(parts) > 3 || parts[0] == "" {
		return errors.New(`expected "host[:container[:permissions]]", such as "/dev/ttyUSB0:/dev/ttyUSB0:rw"`)
	}
	*d = Device{HostPath: parts[0], ContainerPath: parts[0], Permissions: "rwm"}
	if len(parts) > 1 && parts[1] != "" {
		d.ContainerPath = parts[1]
	}
	if len(parts) > 2 && parts[2] != "" {
		d.Permissions = parts[2]
	}
	return nil
}

// Variable is one NAME=value of an environment list.
type Variable struct{ Name, Value string }

// UnmarshalText reads NAME=value; the value may be empty and may hold further equal signs.
func (v *Variable) UnmarshalText(text []byte) error {
	name, value, ok := strings.Cut(string(text), "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return errors.New(`expected "NAME=value"`)
	}
	*v = Variable{Name: name, Value: value}
	return nil
}

// Warm is how many sidecars are kept ready: a number, or WarmAuto.
type Warm int

// WarmAuto is as many as jobs may run at once.
const WarmAuto Warm = -1

// UnmarshalText reads a whole number from 0, or auto.
func (w *Warm) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), "auto") {
		*w = WarmAuto
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 {
		return errors.New(`expected a number from 0, or "auto"`)
	}
	*w = Warm(n)
	return nil
}

// String is the value as the file has it.
func (w Warm) String() string {
	if w == WarmAuto {
		return "auto"
	}
	return strconv.Itoa(int(w))
}
