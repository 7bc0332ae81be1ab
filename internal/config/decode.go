package config

import (
	"encoding"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"lced-runner/jobapi"
)

// decoder fills configuration structs from the tree of a file; the tags of their fields say which values a key takes.
type decoder struct{ *problems }

// table decodes a table of the file into a struct; path is the table's own key with a point behind it.
func (d *decoder) table(n *node, into reflect.Value, path string) {
	if n.kind != Table {
		d.fail(n.line, strings.TrimSuffix(path, "."), "expected a table, found %s", n.kind)
		return
	}
	fields := fieldsOf(into.Type())
	seen := map[string]int{}
	for _, e := range n.entries {
		f, known := match(fields, e.key)
		if !known {
			d.unknown(e.line, path+e.key, hint(fields, path, e.key))
			continue
		}
		key := path + f.key
		if first, twice := seen[f.key]; twice {
			d.fail(e.line, key, "is set here and in line %d: keep one of them", first)
			continue
		}
		seen[f.key] = e.line
		switch {
		case f.class != Honoured:
			if f.oneof != nil || f.names != "" { // a value that gitlab-runner refuses
				d.value(e.value, reflect.New(f.typ).Elem(), f, key)
			}
			// The table of an executor belongs to its runner, of which it is told that it takes no jobs.
			executor := n.child("executor")
			own := f.class == OtherExecutor && executor != nil && !strings.EqualFold(executor.text, "docker")
			if f.why != "" && !e.value.isZero() && !own {
				d.warn(e.line, key, "is accepted and ignored: %s", f.why)
			}
		case f.blank:
			d.value(e.value, reflect.New(f.typ).Elem(), f, key)
		default:
			d.value(e.value, into.FieldByIndex(f.index), f, key)
		}
	}
}

// match finds a key as it is written, else in another case, as gitlab-runner does.
func match(fields []field, key string) (field, bool) {
	for _, f := range fields {
		if f.key == key {
			return f, true
		}
	}
	for _, f := range fields {
		if strings.EqualFold(f.key, key) {
			return f, true
		}
	}
	return field{}, false
}

// value decodes one value, of any kind, into a field or into an element of its list or table.
func (d *decoder) value(n *node, into reflect.Value, f field, key string) {
	if n.kind == Null { // YAML's `key:` without a value: as if it were not there
		return
	}
	if into.Type() == reflect.TypeFor[time.Duration]() {
		d.duration(n, into, f, key)
		return
	}
	if isText(into.Type()) {
		d.text(n, into, f, key)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(n, into.Elem(), f, key)
	case reflect.String:
		if into.Type() == reflect.TypeFor[jobapi.Secret]() && n.kind != Text { // no message may show its value
			d.fail(n.line, key, "expected a string, found %s", n.kind)
		} else if d.expect(n, key, Text) {
			d.string(n, into, f, key)
		}
	case reflect.Bool:
		if d.expect(n, key, Boolean) {
			into.SetBool(n.text == "true" || n.text == "True" || n.text == "TRUE")
		}
	case reflect.Int, reflect.Int64:
		d.integer(n, into, f, key)
	case reflect.Slice:
		d.list(n, into, f, key)
	case reflect.Map:
		d.mapping(n, into, f, key)
	case reflect.Struct:
		d.table(n, into, key+".")
	}
}

// expect reports a value of the wrong kind.
func (d *decoder) expect(n *node, key string, want Kind) bool {
	if n.kind == want {
		return true
	}
	switch {
	case want == Text && (n.kind == Integer || n.kind == Float || n.kind == Boolean || n.kind == Moment):
		d.fail(n.line, key, "expected a string, found %s: write it in quotes, \"%s\"", n.kind, n.text)
	case n.kind == Text:
		d.fail(n.line, key, "expected %s, found the string %q", want, n.text)
	default:
		d.fail(n.line, key, "expected %s, found %s", want, n.kind)
	}
	return false
}

func (d *decoder) string(n *node, into reflect.Value, f field, key string) {
	value := n.text
	if value != "" && len(f.oneof) > 0 {
		value = ""
		for _, word := range f.oneof {
			if strings.EqualFold(word, n.text) {
				value = word
			}
		}
		if value == "" {
			d.fail(n.line, key, "expected one of %s, found %q", strings.Join(f.oneof, ", "), n.text)
			return
		}
	}
	if value != "" {
		if err := check(f.check, value); err != nil {
			d.fail(n.line, key, "%v, found %q", err, value)
			return
		}
	}
	if value != "" || len(f.oneof) == 0 { // an empty word means the default
		into.SetString(value)
	}
}

func (d *decoder) integer(n *node, into reflect.Value, f field, key string) {
	if !d.expect(n, key, Integer) {
		return
	}
	value, err := parseInteger(n.text)
	if err == nil && f.unit == "KiB" {
		value, err = scale(value, 1024)
	}
	if err != nil || into.OverflowInt(value) {
		d.fail(n.line, key, "expected a smaller number, found %s", n.text)
		return
	}
	if least, err := strconv.ParseInt(f.min, 10, 64); err == nil && value < least {
		d.fail(n.line, key, "expected %d or more, found %s", least, n.text)
		return
	}
	if most, err := strconv.ParseInt(f.max, 10, 64); err == nil && value > most {
		d.fail(n.line, key, "expected %d or less, found %s", most, n.text)
		return
	}
	into.SetInt(value)
}

// duration reads seconds where the key is in seconds; else a duration as Go writes it, or an integer of nanoseconds,
// which gitlab-runner takes too.
func (d *decoder) duration(n *node, into reflect.Value, f field, key string) {
	if f.unit == "s" {
		if !d.expect(n, key, Integer) {
			return
		}
		seconds, err := parseInteger(n.text)
		if err == nil {
			seconds, err = scale(seconds, int64(time.Second))
		}
		if err != nil {
			d.fail(n.line, key, "expected fewer seconds, found %s", n.text)
			return
		}
		into.SetInt(seconds)
		return
	}
	value, err := time.ParseDuration(n.text)
	if n.kind == Integer {
		var nanoseconds int64
		nanoseconds, err = parseInteger(n.text)
		if value = time.Duration(nanoseconds); value != 0 {
			d.warn(n.line, key, "is read as %s nanoseconds: if that is not meant, write a duration such as \"%ss\"", n.text, n.text)
		}
	}
	if err != nil || n.kind != Text && n.kind != Integer || value < 0 {
		d.fail(n.line, key, `expected a duration such as "10m" or "1h30m", found %s`, n.describe())
		return
	}
	into.SetInt(int64(value))
}

// text decodes into a type that reads its own text.
func (d *decoder) text(n *node, into reflect.Value, f field, key string) {
	_, isTime := into.Interface().(time.Time)
	if n.kind != Text && !(n.kind == Moment && isTime) && !(n.kind == Integer && f.also == "integer") {
		d.expect(n, key, Text)
		return
	}
	value := n.text
	if isTime { // TOML and YAML let a space stand for the T
		value = strings.ToUpper(strings.Replace(value, " ", "T", 1))
	}
	err := into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(value))
	if err == nil {
		return
	}
	expected := err.Error() // our own types say what they expect
	switch into.Interface().(type) {
	case time.Time:
		expected = "expected a date and time with a zone, such as 2026-01-31T12:00:00Z"
	case netip.Addr:
		expected = "expected an IP address"
	}
	d.fail(n.line, key, "%s, found %q", expected, n.text)
}

func (d *decoder) list(n *node, into reflect.Value, f field, key string) {
	items := n.items
	if n.kind == Text && f.also == "string" {
		items = []*node{n}
	} else if n.kind == Table && into.Type().Elem().Kind() == reflect.Struct {
		d.fail(n.line, key, "expected a list of tables, found one table: begin it with [[%s]] in TOML, with a dash in YAML", key)
		return
	} else if !d.expect(n, key, List) {
		return
	}
	values := reflect.MakeSlice(into.Type(), 0, len(items))
	for i, item := range items {
		value := newElement(into.Type().Elem())
		if into.Type().Elem() == reflect.TypeFor[Runner]() {
			d.runner = i + 1
			defer func() { d.runner = 0 }()
		}
		d.value(item, value, f, key)
		values = reflect.Append(values, value)
	}
	into.Set(values)
}

// newElement is an element of a list before it is decoded: a runner has its defaults.
func newElement(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	if t == reflect.TypeFor[Runner]() {
		v.Set(reflect.ValueOf(DefaultRunner()))
	}
	return v
}

func (d *decoder) mapping(n *node, into reflect.Value, f field, key string) {
	if !d.expect(n, key, Table) {
		return
	}
	values := reflect.MakeMap(into.Type())
	for _, e := range n.entries {
		if err := check(f.names, e.key); err != nil {
			d.fail(e.line, key, "%v, found %q", err, e.key)
			continue
		}
		value := reflect.New(into.Type().Elem()).Elem()
		d.value(e.value, value, f, key+"."+e.key)
		values.SetMapIndex(reflect.ValueOf(e.key), value)
	}
	into.Set(values)
}

// parseInteger reads what TOML and YAML write as an integer: signs, underscores, 0x, 0o and 0b.
func parseInteger(s string) (int64, error) { return strconv.ParseInt(s, 0, 64) }

// scale multiplies, with an error where the product does not fit.
func scale(value, factor int64) (int64, error) {
	if product := value * factor; product/factor == value {
		return product, nil
	}
	return 0, strconv.ErrRange
}

// isText tells a type that reads itself from text.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// describe names a value in a message.
func (n *node) describe() string {
	switch n.kind {
	case Text:
		return strconv.Quote(n.text)
	case Integer, Float, Boolean, Moment:
		return n.text
	}
	return string(n.kind)
}
