package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"time"

	"lced-runner/jobapi"
)

// Class says what becomes of a key.
type Class string

// The classes. All but Honoured are accepted, so that a file written for gitlab-runner loads, and are warned about when
// they are set.
const (
	Honoured      Class = "honoured"
	Ignored       Class = "ignored"        // not needed here, or decided otherwise
	OtherExecutor Class = "other executor" // of an executor that lced-runner does not have
)

// These types of blank fields put keys into the table that have no value of ours; T is what a file has there. An ignored
// key without a reason (tag why) is one that `register` writes by itself: it is never warned about.
type (
	ignored[T any] struct{}
	otherExecutor  struct{}
)

func (ignored[T]) accepted() (Class, string, reflect.Type) { return Ignored, "", reflect.TypeFor[T]() }
func (otherExecutor) accepted() (Class, string, reflect.Type) {
	return OtherExecutor, "lced-runner has the docker executor only", reflect.TypeFor[struct{}]()
}

// Key is one key of the configuration file: for its documentation, and for the flags of `register`.
type Key struct {
	Path    string // from the top of the file: runners.docker.image
	Kind    Kind   // how the file writes its value: Text, Integer, Boolean, List or Table; Moment for a time
	Of      Kind   // what a List or Table holds: Table where it holds tables or has keys of its own
	Type    string // what its value is, in words
	Default string // as the file would have it; empty where there is none
	Class   Class
	Doc     string   // one line: what it does
	Why     string   // why it is not honoured
	Flag    string   // of `register`, without its dashes: docker-image; empty where there is none
	Env     string   // variable of the environment that stands for the flag; empty where there is none
	Secret  bool     // its value must not be shown
	Values  []string // all that it, or each of a list, may be; nil where there is no such choice
}

// Keys lists every known key in the order of the documentation, tables before what they hold.
func Keys() []Key {
	return appendKeys(nil, "", reflect.ValueOf(*Default()))
}

func appendKeys(keys []Key, prefix string, defaults reflect.Value) []Key {
	for _, f := range fieldsOf(defaults.Type()) {
		key := Key{Path: prefix + f.key, Class: f.class, Doc: f.doc, Why: f.why, Type: f.typeName(), Values: f.oneof, Secret: f.typ == reflect.TypeFor[jobapi.Secret]()}
		key.Kind, key.Of = f.kinds()
		key.Flag, key.Env = f.registration(prefix)
		value := reflect.Zero(f.typ)
		if !f.blank {
			value = defaults.FieldByIndex(f.index)
			key.Default = f.show(value)
		}
		keys = append(keys, key)
		switch {
		case f.class != Honoured || isText(f.typ):
		case f.typ.Kind() == reflect.Struct:
			keys = appendKeys(keys, key.Path+".", value)
		case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct && !isText(f.typ.Elem()):
			keys = appendKeys(keys, key.Path+".", newElement(f.typ.Elem()))
		}
	}
	return keys
}

// field is one field of a configuration struct with what its tags say.
type field struct {
	key, doc, why string
	class         Class
	oneof         []string // the words that a string, or each of a list, may be
	check         string   // name of a check in check.go
	unit          string   // s or KiB: the file has an integer in that unit
	also          string   // string: one string may stand for a list of one; integer: it may stand for a string
	min, max      string   // least and greatest value of an integer
	names         string   // name of a check in check.go, for the names in a table
	flag, env     string   // names at registration that do not follow the rule, see registration
	typ           reflect.Type
	index         []int
	blank         bool // there is nowhere to put a value
}

// fieldsOf reads the tags of a struct type.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{
			key: sf.Tag.Get("key"), doc: sf.Tag.Get("doc"), why: sf.Tag.Get("why"), class: Honoured,
			check: sf.Tag.Get("check"), unit: sf.Tag.Get("unit"), also: sf.Tag.Get("also"), min: sf.Tag.Get("min"), max: sf.Tag.Get("max"), names: sf.Tag.Get("names"),
			flag: sf.Tag.Get("flag"), env: sf.Tag.Get("env"),
			typ: sf.Type, index: sf.Index, blank: sf.Name == "_",
		}
		if f.key == "" {
			continue
		}
		if words := sf.Tag.Get("oneof"); words != "" {
			f.oneof = strings.Split(words, "|")
		}
		if m, ok := reflect.Zero(sf.Type).Interface().(interface {
			accepted() (Class, string, reflect.Type)
		}); ok {
			var why string
			f.class, why, f.typ = m.accepted()
			f.why = cmp.Or(f.why, why)
		}
		fields = append(fields, f)
	}
	return fields
}

// typeName is what a value of the key is, in the words of the messages.
func (f field) typeName() string {
	switch {
	case len(f.oneof) > 0 && f.typ.Kind() == reflect.String:
		return strings.Join(f.oneof, ", ")
	case f.unit != "":
		return "integer (" + f.unit + ")"
	}
	return typeName(f.typ)
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[time.Time]():
		return "date and time"
	case isText(t):
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "list of " + plural(typeName(t.Elem()))
	case reflect.Map:
		return "table of " + plural(typeName(t.Elem()))
	case reflect.Struct:
		return "table"
	}
	return "string"
}

// shortest writes 15m, not 15m0s.
func shortest(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

func plural(name string) string {
	if name == "true or false" {
		return name
	}
	first, rest, more := strings.Cut(name, " of ")
	if !more {
		return first + "s"
	}
	return first + "s of " + rest
}

// show writes a default as the file would have it.
func (f field) show(v reflect.Value) string {
	if v.IsZero() || v.Kind() == reflect.Struct && !isText(v.Type()) {
		return ""
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		if f.unit == "s" {
			return fmt.Sprint(int64(value / time.Second))
		}
		return shortest(value)
	case Bytes:
		return value.String()
	case []string:
		return strings.Join(value, ", ")
	case int64:
		if f.unit == "KiB" {
			return fmt.Sprint(value / 1024)
		}
	}
	return fmt.Sprint(v.Interface())
}
